package be.cytomine.refine;

import static com.github.tomakehurst.wiremock.client.WireMock.aResponse;
import static com.github.tomakehurst.wiremock.client.WireMock.equalToJson;
import static com.github.tomakehurst.wiremock.client.WireMock.postRequestedFor;
import static com.github.tomakehurst.wiremock.client.WireMock.urlEqualTo;
import static org.assertj.core.api.Assertions.assertThat;

import be.cytomine.domain.project.Project;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.github.tomakehurst.wiremock.client.ResponseDefinitionBuilder;
import java.io.IOException;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.nio.file.Path;
import java.util.stream.Stream;
import java.util.stream.StreamSupport;
import org.junit.jupiter.api.Named;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** The cases that the embedded Cytomine is held to as well. */
class SharedCasesTests extends ServerLab {

    private static final JsonNode SHARED = read();

    private static JsonNode read() {
        try {
            return new ObjectMapper().readTree(Path.of("../../docs/api/examples/core-addition.json").toFile());
        } catch (IOException missing) {
            throw new IllegalStateException(missing);
        }
    }

    static Stream<Named<JsonNode>> cases() {
        return StreamSupport.stream(SHARED.get("cases").spliterator(), false)
                .map(each -> Named.of(each.get("what").asText(), each));
    }

    private static ResponseDefinitionBuilder whatTheServiceSays(JsonNode expected) {
        if (!expected.has("problem")) {
            return aResponse().withBody(SHARED.get("answer").toString());
        }
        return aResponse()
                .withStatus(expected.get("status").asInt())
                .withHeader("Content-Type", "application/problem+json")
                .withBody(expected.get("problem").toString());
    }

    @ParameterizedTest
    @MethodSource("cases")
    void areAnsweredAsWritten(JsonNode expected) throws Exception {
        Long id = annotation(Project.Mode.CLASSIC);
        answers(whatTheServiceSays(expected));
        HttpRequest.Builder request =
                request(expected.get("path").asText().replace("{id}", String.valueOf(id)), "Bearer owner");
        if (expected.has("body")) {
            request.POST(BodyPublishers.ofString(expected.get("body").asText()));
        }
        if (expected.has("body_bytes")) {
            request.POST(BodyPublishers.ofString("{}" + " ".repeat(expected.get("body_bytes").asInt() - 2)));
        }
        if (expected.has("type_sent")) {
            request.header("Content-Type", expected.get("type_sent").asText());
        }
        HttpResponse<String> answer = ask(request);
        assertThat(answer.statusCode()).as(answer.body()).isEqualTo(expected.get("status").asInt());
        JsonNode body = new ObjectMapper().readTree(answer.body());
        for (String member : new String[] {"type", "detail"}) {
            if (expected.has(member)) {
                assertThat(body.get(member)).isEqualTo(expected.get(member));
            }
        }
        if (expected.has("problem")) {
            assertThat(body).isEqualTo(expected.get("problem"));
        }
        if (answer.statusCode() == 200) {
            assertThat(body.get("refinement")).isEqualTo(SHARED.get("answer"));
            assertThat(body.get("annotation").get("id").asLong()).isEqualTo(id);
        }
        JsonNode sent = expected.get("sent");
        askedTimes(sent.isNull() ? 0 : 1);
        if (!sent.isNull()) {
            SERVICE.verify(postRequestedFor(urlEqualTo("/sam/annotations/" + id + "/refine"))
                    .withRequestBody(equalToJson(sent.toString())));
        }
    }
}
