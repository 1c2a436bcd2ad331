package be.cytomine.refine;

import static com.github.tomakehurst.wiremock.client.WireMock.aResponse;
import static com.github.tomakehurst.wiremock.client.WireMock.equalToJson;
import static com.github.tomakehurst.wiremock.client.WireMock.postRequestedFor;
import static com.github.tomakehurst.wiremock.client.WireMock.urlEqualTo;
import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.github.tomakehurst.wiremock.client.ResponseDefinitionBuilder;
import java.io.IOException;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import java.util.stream.StreamSupport;
import org.junit.jupiter.api.Named;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** The cases of searches that the embedded Cytomine is held to as well. */
class SharedProposeCasesTests extends ServerLab {

    private static final ObjectMapper JSON = new ObjectMapper();
    private static final JsonNode SHARED = read();

    private static JsonNode read() {
        try {
            return JSON.readTree(Path.of("../../docs/api/examples/core-propose.json").toFile());
        } catch (IOException missing) {
            throw new IllegalStateException(missing);
        }
    }

    static Stream<Named<JsonNode>> cases() {
        return StreamSupport.stream(SHARED.get("cases").spliterator(), false)
                .map(each -> Named.of(each.get("what").asText(), each));
    }

    private static ResponseDefinitionBuilder whatTheServiceSays(JsonNode expected) {
        if (!expected.has("service")) {
            StringBuilder lines = new StringBuilder();
            SHARED.get("lines").forEach(line -> lines.append(line).append('\n'));
            return aResponse().withHeader("Content-Type", "application/x-ndjson").withBody(lines.toString());
        }
        JsonNode says = expected.get("service");
        ResponseDefinitionBuilder answer = aResponse()
                .withStatus(says.get("status").asInt())
                .withHeader("Content-Type", says.get("type").asText())
                .withBody(says.get("body").isTextual() ? says.get("body").asText() : says.get("body").toString());
        return says.has("retry_after") ? answer.withHeader("Retry-After", says.get("retry_after").asText()) : answer;
    }

    private static HttpRequest.Builder withBody(HttpRequest.Builder request, JsonNode expected) {
        String body = expected.has("body")
                ? expected.get("body").asText()
                : "{}" + " ".repeat(expected.get("body_bytes").asInt() - 2);
        return request.header("Content-Type", expected.get("type_sent").asText()).POST(BodyPublishers.ofString(body));
    }

    private static List<JsonNode> linesOf(String body) throws IOException {
        List<JsonNode> lines = new ArrayList<>();
        for (String line : body.split("\n")) {
            lines.add(JSON.readTree(line));
        }
        return lines;
    }

    private static void isAsWritten(HttpResponse<String> answer, JsonNode expected) throws IOException {
        assertThat(answer.statusCode()).as(answer.body()).isEqualTo(expected.get("status").asInt());
        if (answer.statusCode() == 200) {
            JsonNode lines = expected.has("lines") ? expected.get("lines") : SHARED.get("lines");
            assertThat(linesOf(answer.body())).containsExactlyElementsOf(lines);
            return;
        }
        JsonNode body = JSON.readTree(answer.body());
        for (String member : new String[] {"type", "detail"}) {
            if (expected.has(member)) {
                assertThat(body.get(member)).isEqualTo(expected.get(member));
            }
        }
        if (expected.has("problem")) {
            assertThat(body).isEqualTo(expected.get("problem"));
        }
        if (expected.has("retry_after")) {
            assertThat(answer.headers().firstValue("Retry-After")).contains(expected.get("retry_after").asText());
        }
    }

    @ParameterizedTest
    @MethodSource("cases")
    void areAnsweredAsWritten(JsonNode expected) throws Exception {
        Long id = image();
        answers(whatTheServiceSays(expected));
        String path = expected.get("path").asText().replace("{id}", String.valueOf(id));
        isAsWritten(ask(withBody(request(path, "Bearer owner"), expected)), expected);
        JsonNode sent = expected.get("sent");
        askedTimes(sent.isNull() ? 0 : 1);
        if (!sent.isNull()) {
            ObjectNode whole = sent.<ObjectNode>deepCopy().put("image_id", id);
            SERVICE.verify(
                    postRequestedFor(urlEqualTo("/sam/propose")).withRequestBody(equalToJson(whole.toString())));
        }
    }
}
