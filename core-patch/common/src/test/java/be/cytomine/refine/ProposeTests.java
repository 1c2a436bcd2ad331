package be.cytomine.refine;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.awaitility.Awaitility.await;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.BufferedReader;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.springframework.test.context.DynamicPropertyRegistry;
import org.springframework.test.context.DynamicPropertySource;

/** Searches through a real server, from a service that speaks when it is told to: a line that waits stops the test. */
@Timeout(180)
class ProposeTests extends ServerLab {

    private static final TrickleService SERVICE = new TrickleService();
    private static final ObjectMapper JSON = new ObjectMapper();
    private static final String END = "{\"done\":true}\n";

    @DynamicPropertySource
    static void theServiceIsHere(DynamicPropertyRegistry registry) {
        registry.add("REFINE_URL", SERVICE::url);
    }

    private HttpRequest search(Long image, String authorization) {
        return request("/api/imageinstance/" + image + "/sam/propose", authorization)
                .header("Content-Type", "application/json")
                .POST(BodyPublishers.ofString("{\"annotation_id\":7,\"like\":[7]}"))
                .build();
    }

    private CompletableFuture<HttpResponse<InputStream>> begin(Long image) {
        return HTTP.sendAsync(search(image, "Bearer owner"), BodyHandlers.ofInputStream());
    }

    private static BufferedReader reader(HttpResponse<InputStream> answer) {
        return new BufferedReader(new InputStreamReader(answer.body(), StandardCharsets.UTF_8));
    }

    private static JsonNode line(BufferedReader lines) throws IOException {
        return JSON.readTree(lines.readLine());
    }

    @Test
    void eachLineIsThereBeforeTheNextIsSaid() throws Exception {
        CompletableFuture<HttpResponse<InputStream>> asked = begin(image());
        TrickleService.Call call = SERVICE.call();
        call.begin();
        HttpResponse<InputStream> answer = asked.join(); // before any line
        assertThat(answer.headers().firstValue("Content-Type")).contains("application/x-ndjson");
        assertThat(answer.headers().firstValue("X-Accel-Buffering")).contains("no");
        BufferedReader lines = reader(answer);
        for (int proposal = 1; proposal <= 3; proposal++) {
            call.say("{\"proposal\":" + proposal + "}\n");
            assertThat(line(lines).get("proposal").asInt()).isEqualTo(proposal);
        }
        call.say("{\"text\":\"ü");
        call.say("ber\"}\n" + END);
        assertThat(line(lines).get("text").asText()).isEqualTo("über");
        assertThat(line(lines).get("done").asBoolean()).isTrue();
        call.end();
        assertThat(lines.readLine()).isNull();
    }

    @Test
    void theImageOfThePathAndTheCallersTokenGoAlong() throws Exception {
        Long id = image();
        CompletableFuture<HttpResponse<InputStream>> asked = begin(id);
        TrickleService.Call call = SERVICE.call();
        call.begin();
        call.say(END);
        call.end();
        asked.join();
        assertThat(call.head).startsWith("POST /sam/propose HTTP/1.1").contains("Authorization: Bearer owner");
        assertThat(JSON.readTree(call.head.substring(call.head.indexOf("\r\n\r\n"))))
                .isEqualTo(JSON.readTree("{\"annotation_id\":7,\"like\":[7],\"image_id\":" + id + "}"));
    }

    @ParameterizedTest
    @CsvSource({"true", "false"})
    void whoGoesAwayClosesTheRequestToTheService(boolean amongLines) throws Exception {
        CompletableFuture<HttpResponse<InputStream>> asked = begin(image());
        TrickleService.Call call = SERVICE.call();
        call.begin();
        if (amongLines) {
            call.say("{\"proposal\":1}\n");
            assertThat(line(reader(asked.join())).get("proposal").asInt()).isEqualTo(1);
        }
        asked.join().body().close();
        call.gone.await(); // though the service says nothing
    }

    @Test
    void silenceHasAPulseThatNoReaderOfLinesSees() throws Exception {
        CompletableFuture<HttpResponse<InputStream>> asked = begin(image());
        TrickleService.Call call = SERVICE.call();
        call.begin();
        InputStream answer = asked.join().body();
        assertThat(answer.read()).isEqualTo(' ');
        call.say("{\"proposal\":1}\n" + END);
        call.end();
        String rest = new String(answer.readAllBytes(), StandardCharsets.UTF_8);
        assertThat(JSON.readTree(rest.split("\n")[0]).get("proposal").asInt()).isEqualTo(1);
    }

    @Test
    void whatBreaksOffInTheMiddleSaysSo() throws Exception {
        CompletableFuture<HttpResponse<InputStream>> asked = begin(image());
        TrickleService.Call call = SERVICE.call();
        call.begin();
        call.say("{\"proposal\":1}\n{\"prop");
        BufferedReader lines = reader(asked.join());
        assertThat(line(lines).get("proposal").asInt()).isEqualTo(1);
        call.breakOff();
        JsonNode last = line(lines);
        assertThat(last.get("done").asBoolean(true)).isFalse();
        assertThat(last.get("problem").get("type").asText()).isEqualTo("urn:cytomine-refine:service-absent");
        assertThat(lines.readLine()).isNull();
    }

    @ParameterizedTest
    @CsvSource({"owner, 200", "colleague, 200", "manager, 200", "stranger, 403"})
    void whoMaySeeTheImageMaySearchIt(String who, int expected) throws Exception {
        Long id = image();
        CompletableFuture<HttpResponse<String>> asked =
                HTTP.sendAsync(search(id, "Bearer " + who), BodyHandlers.ofString());
        if (expected == 200) {
            TrickleService.Call call = SERVICE.call();
            call.begin();
            call.say(END);
            call.end();
        }
        assertThat(asked.join().statusCode()).isEqualTo(expected);
        assertThat(SERVICE.isAsked()).isFalse();
    }

    @Test
    void nobodyIsRefusedAndNothingIsSent() throws Exception {
        assertThat(HTTP.send(search(image(), null), BodyHandlers.ofString()).statusCode()).isIn(401, 403);
        assertThat(SERVICE.isAsked()).isFalse();
    }

    @Test
    void aCrowdOfSearchesIsBoundedAndTheyKeepNoRefineWaiting() throws Exception {
        Long id = image();
        List<CompletableFuture<HttpResponse<String>>> searches = new ArrayList<>();
        for (int person = 0; person < 14; person++) {
            searches.add(HTTP.sendAsync(search(id, "Bearer owner"), BodyHandlers.ofString()));
        }
        await().atMost(Duration.ofMinutes(2)).until(() -> searches.stream().filter(CompletableFuture::isDone).count() == 2);
        assertThat(searches.stream().filter(CompletableFuture::isDone).map(CompletableFuture::join))
                .allSatisfy(refused -> {
                    assertThat(refused.statusCode()).isEqualTo(503);
                    assertThat(refused.headers().firstValue("Retry-After")).isPresent();
                    assertThat(refused.body()).contains("core-busy", "Too many searches at once");
                });
        for (int person = 0; person < 12; person++) {
            TrickleService.Call call = SERVICE.call();
            call.begin();
            call.say(END);
            call.end();
        }
        assertThat(searches.stream().map(CompletableFuture::join).filter(each -> each.statusCode() == 200)).hasSize(12);
    }

    private static ProposeClient client(String url, long silenceMs) {
        return new ProposeClient(new ServiceDoor(url, 60_000), silenceMs);
    }

    private static ObjectNode question() {
        return JSON.createObjectNode().put("image_id", 5);
    }

    @Test
    void aServiceThatIsNotThereIsToldSo() {
        assertThatThrownBy(() -> client("http://127.0.0.1:9/sam", 60_000).propose(question(), "t"))
                .isInstanceOfSatisfying(RefineProblem.class, problem -> {
                    assertThat(problem.status()).isEqualTo(502);
                    assertThat(problem.body()).contains("service-unreachable");
                });
    }

    @Test
    void aServiceThatNeverBeginsIsGivenUp() throws Exception {
        assertThatThrownBy(() -> client(SERVICE.url(), 200).propose(question(), "t"))
                .isInstanceOfSatisfying(RefineProblem.class, problem -> {
                    assertThat(problem.status()).isEqualTo(504);
                    assertThat(problem.body()).contains("service-slow").doesNotContain("outline");
                });
        SERVICE.call();
    }

    @Test
    void aServiceThatFallsSilentIsGivenUp() throws Exception {
        CompletableFuture<StreamedLines> asked =
                CompletableFuture.supplyAsync(() -> client(SERVICE.url(), 60_000).propose(question(), "t"));
        TrickleService.Call call = SERVICE.call();
        call.begin();
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        try (StreamedLines lines = asked.join()) {
            new Proposals(lines, out, Duration.ofMillis(50), Duration.ofMillis(10)).passOn();
        }
        assertThat(JSON.readTree(out.toString(StandardCharsets.UTF_8)).get("problem").get("status").asInt()).isEqualTo(504);
        call.gone.await();
    }
}
