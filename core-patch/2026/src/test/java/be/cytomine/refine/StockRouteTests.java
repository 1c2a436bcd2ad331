package be.cytomine.refine;

import static com.github.tomakehurst.wiremock.client.WireMock.aResponse;
import static com.github.tomakehurst.wiremock.client.WireMock.equalTo;
import static com.github.tomakehurst.wiremock.client.WireMock.equalToJson;
import static com.github.tomakehurst.wiremock.client.WireMock.postRequestedFor;
import static com.github.tomakehurst.wiremock.client.WireMock.urlEqualTo;
import static org.assertj.core.api.Assertions.assertThat;

import be.cytomine.domain.project.Project;
import jakarta.servlet.ServletException;
import jakarta.servlet.http.HttpServletRequest;
import jakarta.servlet.http.HttpServletResponse;
import java.io.IOException;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.springframework.context.annotation.Import;
import org.springframework.web.bind.annotation.PathVariable;
import org.springframework.web.bind.annotation.PostMapping;
import org.springframework.web.bind.annotation.RequestMapping;
import org.springframework.web.bind.annotation.RestController;

/** A real server with the stock method in it, which nobody may reach, however they spell its path. */
@Import(StockRouteTests.StockController.class)
class StockRouteTests extends ServerLab {

    private static final AtomicInteger REACHED = new AtomicInteger();

    /** Stands for the stock method, with its neighbours: whoever reaches it got past the rules. */
    @RestController
    @RequestMapping("/api")
    static class StockController {

        @PostMapping("/annotations/{id}/refine")
        String refine(@PathVariable Long id) {
            REACHED.incrementAndGet();
            return "stock";
        }

        @PostMapping("/annotations/{id}/other")
        String other(@PathVariable Long id) {
            return "other " + id;
        }

        @RequestMapping("/forward/{id}")
        void forward(@PathVariable String id, HttpServletRequest request, HttpServletResponse response)
                throws ServletException, IOException {
            request.getRequestDispatcher("/api/annotations/" + id + "/refine").forward(request, response);
        }

        @RequestMapping("/include/{id}")
        void include(@PathVariable String id, HttpServletRequest request, HttpServletResponse response)
                throws ServletException, IOException {
            request.getRequestDispatcher("/api/annotations/" + id + "/refine").include(request, response);
        }
    }

    @BeforeEach
    void nobodyWasThere() {
        REACHED.set(0);
    }

    @Test
    void theStockRouteAnswersInItsOwnFormAndCanBeUndone() throws Exception {
        Long id = annotation(Project.Mode.CLASSIC);
        HttpResponse<String> answer = ask("/api/annotations/" + id + "/refine", "Bearer owner");
        assertThat(answer.statusCode()).isEqualTo(200);
        assertThat(answer.body())
                .contains("\"id\":" + id, "\"location\":\"" + BOX + "\"", "\"command\":88", "\"url\":")
                .contains("\"refinement\":{\"message\":\"Done.\",\"command\":88}");
        SERVICE.verify(
                1,
                postRequestedFor(urlEqualTo("/sam/annotations/" + id + "/refine"))
                        .withHeader("Authorization", equalTo("Bearer owner")));
    }

    @ParameterizedTest
    @CsvSource({
        "CLASSIC,    colleague, 200", "CLASSIC,    stranger, 403",
        "RESTRICTED, colleague, 403", "RESTRICTED, owner,    200",
        "READ_ONLY,  owner,     403", "READ_ONLY,  manager,  200",
    })
    void itsRightsAreThoseOfAnUpdate(Project.Mode mode, String who, int expected) throws Exception {
        Long id = annotation(mode);
        for (String path : List.of("/api/annotations/" + id + "/refine", "/api/annotation/" + id + "/sam")) {
            assertThat(ask(path, "Bearer " + who).statusCode()).isEqualTo(expected);
        }
        askedTimes(expected == 200 ? 2 : 0);
    }

    @Test
    void itTakesTheSameOptions() throws Exception {
        String path = "/api/annotations/" + annotation(Project.Mode.CLASSIC) + "/refine";
        assertThat(ask(path + "?dryRun=true", "Bearer owner").statusCode()).isEqualTo(200);
        assertThat(ask(request(path, "Bearer owner")
                                .header("Content-Type", "application/json")
                                .POST(BodyPublishers.ofString("{\"dryRun\": true}")))
                        .statusCode())
                .isEqualTo(200);
        SERVICE.verify(2, postRequestedFor(urlEqualTo("/sam" + path.substring(4)))
                .withRequestBody(equalToJson("{\"dry_run\": true}")));
        assertThat(ask(path + "?dry_run=true", "Bearer owner").statusCode()).isEqualTo(400);
        askedTimes(2);
    }

    @ParameterizedTest
    @ValueSource(strings = {
        "0x%x", "0X%x", "%%23%x", "+%d", "%%2B%d", "%%20%d", "%d%%20", "%%09%d", "0%d", "00%d", "%d.", "%d.0", "%d.json", "%dL",
        "-%d", "%%EF%%BB%%BF%d", "%%C2%%A0%d", "%%E2%%80%%AF%d", "%%00%d", "%d%%0A", "1e%d", "%d,1", "%d%%3Bx=1", "%d%%2F", "%%2F%d",
        "", "/%d", "./%d", "x/../%d", "0", "abc", "null", "9223372036854775808", "%%D9%%A1", "%%EF%%BC%%91", "%%E0%%A5%%A7",
    })
    void whatIsNoPlainIdLeadsNowhere(String spelling) throws Exception {
        Long id = annotation(Project.Mode.CLASSIC);
        String path = "/api/annotations/" + String.format(spelling, id) + "/refine";
        for (String who : List.of("stranger", "owner")) {
            assertThat(ask(path, "Bearer " + who).statusCode()).as(who).isBetween(400, 499);
        }
        assertThat(ask(path, null).statusCode()).isBetween(400, 499);
        assertThat(REACHED).hasValue(0);
        askedTimes(0);
    }

    @ParameterizedTest
    @ValueSource(strings = {
        "annotations/%d/refine/", "annotations/%d/refine//", "annotations/%d//refine", "annotations//%d/refine", "annotations/%d/refine;x=1",
        "annotations/%d;x=1/refine", "annotations;x=1/%d/refine", "annotations/%d/refine.json", "annotations/%d/refine.xml",
        "annotations/%d/Refine", "Annotations/%d/refine", "annotations/%d/refine?a=b", "annotations/%d/%%72efine", "%%61nnotations/%d/refine",
        "annotations/%d/./refine", "annotations/%d/x/../refine", "annotations/%d%%2Frefine", "annotations/%d/refine%%2F", "annotations/%d/refine%%20",
        "annotations/%d/refine%%00", "annotations/%d%%5Crefine", "annotations/%d/refine%%3Fa", "annotations/%d/refine%%23", "forward/%d", "include/%d",
        "annotations/%d/refine?id=0x1", "annotations/%d/refine?_method=PUT",
    })
    void noStrangerGetsPast(String spelling) throws Exception {
        Long id = annotation(Project.Mode.CLASSIC);
        HttpResponse<String> answer = ask("/api/" + String.format(spelling, id), "Bearer stranger");
        if (!spelling.startsWith("include")) { // what is included cannot set the status
            assertThat(answer.statusCode()).isBetween(400, 499);
        }
        ask("/api/" + String.format(spelling, id), "Bearer owner");
        assertThat(REACHED).hasValue(0);
    }

    @ParameterizedTest
    @ValueSource(strings = {"GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS", "post", "TRACE"})
    void noOtherMethodDoesAnything(String method) throws Exception {
        Long id = annotation(Project.Mode.CLASSIC);
        for (String who : List.of("stranger", "owner")) {
            ask(request("/api/annotations/" + id + "/refine", "Bearer " + who).method(method, BodyPublishers.noBody()));
        }
        assertThat(REACHED).hasValue(0);
        askedTimes(0);
    }

    @Test
    void theRestOfCoreIsLeftAlone() throws Exception {
        assertThat(ask("/api/annotations/7/other", "Bearer stranger").body()).isEqualTo("other 7");
    }

    @Test
    void nobodyUnknownGetsAnything() throws Exception {
        Long id = annotation(Project.Mode.CLASSIC);
        assertThat(ask("/api/annotations/" + id + "/refine", null).statusCode()).isEqualTo(403);
        askedTimes(0);
    }

    @Test
    void callersWithKeysAreSentToTheService() throws Exception {
        Long id = annotation(Project.Mode.CLASSIC);
        HttpResponse<String> answer = ask("/api/annotations/" + id + "/refine", "CYTOMINE owner:signature");
        assertThat(answer.statusCode()).isEqualTo(403);
        assertThat(answer.body()).contains("ask the service itself");
        askedTimes(0);
    }

    @Test
    void problemsOfTheServicePassUnchanged() throws Exception {
        Long id = annotation(Project.Mode.CLASSIC);
        answers(aResponse()
                .withStatus(503)
                .withHeader("Content-Type", "application/problem+json")
                .withHeader("Retry-After", "7")
                .withBody("{\"title\":\"The model is busy\"}"));
        HttpResponse<String> answer = ask("/api/annotations/" + id + "/refine", "Bearer owner");
        assertThat(answer.statusCode()).isEqualTo(503);
        assertThat(answer.headers().firstValue("Retry-After")).contains("7");
        assertThat(answer.body()).contains("The model is busy");
    }
}
