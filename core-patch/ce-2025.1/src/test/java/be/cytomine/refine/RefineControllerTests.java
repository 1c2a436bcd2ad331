package be.cytomine.refine;

import static com.github.tomakehurst.wiremock.client.WireMock.aResponse;
import static com.github.tomakehurst.wiremock.client.WireMock.anyUrl;
import static com.github.tomakehurst.wiremock.client.WireMock.equalTo;
import static com.github.tomakehurst.wiremock.client.WireMock.post;
import static com.github.tomakehurst.wiremock.client.WireMock.postRequestedFor;
import static com.github.tomakehurst.wiremock.client.WireMock.urlEqualTo;
import static org.assertj.core.api.Assertions.assertThat;
import static org.hamcrest.Matchers.containsString;
import static org.hamcrest.Matchers.hasKey;
import static org.hamcrest.Matchers.nullValue;
import static org.springframework.security.test.web.servlet.request.SecurityMockMvcRequestPostProcessors.user;
import static org.springframework.test.web.servlet.result.MockMvcResultMatchers.content;
import static org.springframework.test.web.servlet.result.MockMvcResultMatchers.header;
import static org.springframework.test.web.servlet.result.MockMvcResultMatchers.jsonPath;
import static org.springframework.test.web.servlet.result.MockMvcResultMatchers.status;

import be.cytomine.domain.ontology.ReviewedAnnotation;
import be.cytomine.domain.ontology.UserAnnotation;
import be.cytomine.domain.project.Project;
import be.cytomine.domain.security.SecUser;
import com.github.tomakehurst.wiremock.WireMockServer;
import com.github.tomakehurst.wiremock.client.ResponseDefinitionBuilder;
import com.github.tomakehurst.wiremock.common.FileSource;
import com.github.tomakehurst.wiremock.core.WireMockConfiguration;
import com.github.tomakehurst.wiremock.extension.Parameters;
import com.github.tomakehurst.wiremock.extension.ResponseTransformer;
import com.github.tomakehurst.wiremock.http.Fault;
import com.github.tomakehurst.wiremock.http.Request;
import com.github.tomakehurst.wiremock.http.Response;
import io.jsonwebtoken.Claims;
import io.jsonwebtoken.Jwts;
import io.jsonwebtoken.security.Keys;
import jakarta.persistence.EntityManager;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.time.Instant;
import java.util.Date;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CountDownLatch;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.Assertions;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.springframework.beans.factory.annotation.Autowired;
import org.springframework.boot.test.autoconfigure.web.servlet.AutoConfigureMockMvc;
import org.springframework.boot.test.context.SpringBootTest;
import org.springframework.test.context.DynamicPropertyRegistry;
import org.springframework.test.context.DynamicPropertySource;
import org.springframework.test.web.servlet.MockMvc;
import org.springframework.test.web.servlet.ResultActions;
import org.springframework.test.web.servlet.request.MockHttpServletRequestBuilder;
import org.springframework.test.web.servlet.request.MockMvcRequestBuilders;
import org.springframework.transaction.support.TransactionTemplate;

@SpringBootTest
@AutoConfigureMockMvc
class RefineControllerTests {

    private static final String SECRET = "s".repeat(64);
    private static final String BOX = "POLYGON ((0 0, 9 0, 9 9, 0 9, 0 0))";
    private static final String OUTLINE = "POLYGON ((2 2, 7 2, 7 7, 2 7, 2 2))";
    private static final String LOOK = "The outline may have changed; check it before you try again.";
    private static final WireMockServer SERVICE = started();
    private static volatile Runnable whenAsked = () -> {};

    @Autowired
    private MockMvc mvc;

    @Autowired
    private EntityManager entityManager;

    @Autowired
    private TransactionTemplate transaction;

    /** Runs what a test wants to happen while the service is being asked. */
    @SuppressWarnings("deprecation")
    static class Meanwhile extends ResponseTransformer {
        @Override
        public Response transform(Request request, Response response, FileSource files, Parameters parameters) {
            whenAsked.run();
            return response;
        }

        @Override
        public String getName() {
            return "meanwhile";
        }
    }

    private static WireMockServer started() {
        WireMockServer server =
                new WireMockServer(WireMockConfiguration.options().dynamicPort().extensions(new Meanwhile()));
        server.start();
        return server;
    }

    @DynamicPropertySource
    static void environment(DynamicPropertyRegistry registry) {
        registry.add("REFINE_URL", () -> SERVICE.baseUrl() + "/sam/");
        registry.add("REFINE_READ_TIMEOUT_MS", () -> "300000"); // slowness has a test of its own
        registry.add("application.authentication.jwt.secret", () -> SECRET);
        registry.add("spring.jpa.hibernate.ddl-auto", () -> "create");
    }

    @AfterAll
    static void stop() {
        SERVICE.stop();
    }

    @BeforeEach
    void nothingSentYet() {
        SERVICE.resetAll();
        whenAsked = () -> {};
    }

    private Long annotation(Project.Mode mode) {
        return transaction.execute(none -> {
            entityManager.createQuery("delete from UserAnnotation").executeUpdate();
            entityManager.createQuery("delete from SecUser").executeUpdate();
            List<SecUser> people = List.of(
                    new SecUser("owner", false),
                    new SecUser("colleague", false),
                    new SecUser("manager", false),
                    new SecUser("stranger", false),
                    new SecUser("admin", true));
            people.forEach(entityManager::persist);
            Project project = new Project(mode, Map.of("owner", 2, "colleague", 2, "manager", 16));
            entityManager.persist(project);
            UserAnnotation drawn = new UserAnnotation(project, people.get(0), BOX);
            entityManager.persist(drawn);
            return drawn.getId();
        });
    }

    private void store(Long id, String wkt) {
        transaction.executeWithoutResult(none -> entityManager
                .createQuery("update UserAnnotation set wkt = :wkt where id = :id")
                .setParameter("wkt", wkt)
                .setParameter("id", id)
                .executeUpdate());
    }

    private void answers(ResponseDefinitionBuilder answer) {
        SERVICE.stubFor(post(anyUrl()).willReturn(answer.withTransformers("meanwhile")));
    }

    private void refines(Long id) {
        whenAsked = () -> store(id, OUTLINE);
        answers(aResponse()
                .withHeader("Content-Type", "application/json")
                .withBody("{\"message\":\"Done.\",\"command\":88,\"changed\":true,\"score\":0.9,\"points_used\":[5]}"));
    }

    private static ResponseDefinitionBuilder problem(int code, String body) {
        return aResponse().withStatus(code).withHeader("Content-Type", "application/problem+json").withBody(body);
    }

    private static MockHttpServletRequestBuilder button(Long id) {
        return MockMvcRequestBuilders.post("/api/annotation/" + id + "/sam").header("Authorization", "Bearer t.o-k");
    }

    private ResultActions press(Long id, String who) throws Exception {
        return mvc.perform(button(id).with(user(who)));
    }

    private void nothingWasSent() {
        SERVICE.verify(0, postRequestedFor(anyUrl()));
    }

    @Test
    void theRefreshedAnnotationComesBack() throws Exception {
        Long id = annotation(Project.Mode.CLASSIC);
        refines(id);
        press(id, "owner")
                .andExpect(status().isOk())
                .andExpect(jsonPath("$.message").value("Done."))
                .andExpect(jsonPath("$.command").value(88))
                .andExpect(jsonPath("$.annotation.id").value(id))
                .andExpect(jsonPath("$.annotation.location").value(OUTLINE))
                .andExpect(jsonPath("$.refinement.points_used[0]").value(5));
        SERVICE.verify(1, postRequestedFor(urlEqualTo("/sam/annotations/" + id + "/refine")));
    }

    @Test
    void aPreviewNeedsTheSameRightsAndIsNotReadAnew() throws Exception {
        Long id = annotation(Project.Mode.CLASSIC);
        whenAsked = () -> store(id, OUTLINE); // by somebody else
        answers(aResponse()
                .withBody("{\"message\":\"Seen.\",\"command\":null,\"changed\":false,\"preview\":\"p.1\",\"doubtful\":true}"));
        mvc.perform(button(id).content("{\"dryRun\": true}").contentType("application/json").with(user("stranger")))
                .andExpect(status().isForbidden());
        nothingWasSent();
        mvc.perform(button(id).content("{\"dryRun\": true}").contentType("application/json").with(user("owner")))
                .andExpect(status().isOk())
                .andExpect(jsonPath("$.annotation.location").value(BOX))
                .andExpect(jsonPath("$.command").isEmpty())
                .andExpect(jsonPath("$.refinement.preview").value("p.1"))
                .andExpect(jsonPath("$.refinement.doubtful").value(true));
        SERVICE.verify(1, postRequestedFor(anyUrl()).withHeader("Authorization", equalTo("Bearer t.o-k")));
    }

    @Test
    void nothingFoundHasNoCommand() throws Exception {
        Long id = annotation(Project.Mode.CLASSIC);
        answers(aResponse().withBody("{\"message\":\"Nothing.\",\"command\":null,\"changed\":false}"));
        press(id, "owner")
                .andExpect(status().isOk())
                .andExpect(jsonPath("$.command").isEmpty())
                .andExpect(jsonPath("$.annotation.location").value(BOX));
    }

    @ParameterizedTest
    @CsvSource({
        "CLASSIC,    owner,     200", "CLASSIC,    colleague, 200", "CLASSIC,    manager, 200",
        "CLASSIC,    stranger,  403", "CLASSIC,    admin,     200",
        "RESTRICTED, owner,     200", "RESTRICTED, colleague, 403", "RESTRICTED, manager, 200",
        "RESTRICTED, stranger,  403", "RESTRICTED, admin,     200",
        "READ_ONLY,  owner,     403", "READ_ONLY,  colleague, 403", "READ_ONLY,  manager, 200",
        "READ_ONLY,  stranger,  403", "READ_ONLY,  admin,     200",
    })
    void whoMayEditMayRefine(Project.Mode mode, String who, int expected) throws Exception {
        Long id = annotation(mode);
        refines(id);
        press(id, who).andExpect(status().is(expected));
        SERVICE.verify(expected == 200 ? 1 : 0, postRequestedFor(anyUrl()));
    }

    @Test
    void nobodyGetsNothing() throws Exception {
        Long id = annotation(Project.Mode.CLASSIC);
        mvc.perform(MockMvcRequestBuilders.post("/api/annotation/" + id + "/sam")).andExpect(status().isUnauthorized());
        nothingWasSent();
    }

    @Test
    void unknownAnnotationsAreNotFound() throws Exception {
        annotation(Project.Mode.CLASSIC);
        press(999_999L, "owner")
                .andExpect(status().isNotFound())
                .andExpect(jsonPath("$.errors.message").value("Annotation 999999 not found"));
        nothingWasSent();
    }

    @Test
    void reviewedAnnotationsAreNotRefined() throws Exception {
        Long drawn = annotation(Project.Mode.CLASSIC);
        Long id = transaction.execute(none -> {
            UserAnnotation beside = entityManager.find(UserAnnotation.class, drawn);
            ReviewedAnnotation reviewed = new ReviewedAnnotation((Project) beside.container(), BOX);
            entityManager.persist(reviewed);
            return reviewed.getId();
        });
        press(id, "owner").andExpect(status().isBadRequest());
        nothingWasSent();
    }

    @Test
    void theCallersOwnTokenIsPassedOn() throws Exception {
        Long id = annotation(Project.Mode.CLASSIC);
        refines(id);
        press(id, "owner");
        SERVICE.verify(postRequestedFor(anyUrl()).withHeader("Authorization", equalTo("Bearer t.o-k")));
        mvc.perform(MockMvcRequestBuilders.post("/api/annotation/" + id + "/sam")
                .param("Authorization", "Bearer param")
                .with(user("owner")));
        SERVICE.verify(postRequestedFor(anyUrl()).withHeader("Authorization", equalTo("Bearer param")));
    }

    @Test
    void whoSignsWithKeysGetsATokenOfAFewMinutes() throws Exception {
        Long id = annotation(Project.Mode.CLASSIC);
        refines(id);
        String said = mvc.perform(MockMvcRequestBuilders.post("/api/annotation/" + id + "/sam.json")
                        .header("Authorization", "CYTOMINE key:signature")
                        .with(user("colleague").roles("USER", "GUEST")))
                .andExpect(status().isOk())
                .andReturn()
                .getResponse()
                .getContentAsString();
        String header = SERVICE.getAllServeEvents().get(0).getRequest().getHeader("Authorization");
        String token = header.substring("Bearer ".length());
        Claims claims = Jwts.parserBuilder()
                .setSigningKey(Keys.hmacShaKeyFor(SECRET.getBytes(StandardCharsets.UTF_8)))
                .build()
                .parseClaimsJws(token)
                .getBody();
        assertThat(claims.getSubject()).isEqualTo("colleague");
        assertThat(claims.get("auth", String.class).split(",")).containsExactlyInAnyOrder("ROLE_USER", "ROLE_GUEST");
        assertThat(claims.get("type")).isEqualTo("SESSION");
        assertThat(claims.getExpiration())
                .isAfter(new Date())
                .isBefore(Date.from(Instant.now().plusSeconds(301)));
        assertThat(said).doesNotContain(token);
    }

    @ParameterizedTest
    @ValueSource(ints = {400, 401, 403, 404, 408, 409, 413, 422, 429, 500, 502, 503, 504})
    void problemsOfTheServicePassUnchanged(int code) throws Exception {
        Long id = annotation(Project.Mode.CLASSIC);
        String body = "{\"type\":\"urn:x\",\"title\":\"Über\",\"status\":" + code + ",\"detail\":\"why\",\"fact\":[1]}";
        answers(problem(code, body).withHeader("Retry-After", "7"));
        press(id, "owner")
                .andExpect(status().is(code))
                .andExpect(content().contentTypeCompatibleWith("application/problem+json"))
                .andExpect(header().string("Retry-After", "7"))
                .andExpect(jsonPath("$.title").value("Über"))
                .andExpect(jsonPath("$.fact[0]").value(1));
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', value = {
        "204 | ''", "200 | ''", "200 | null", "200 | []", "200 | {}", "200 | <html>", "302 | ''", "500 | <html>",
    })
    void nonsenseIsABadGateway(int code, String body) throws Exception {
        Long id = annotation(Project.Mode.CLASSIC);
        answers(aResponse().withStatus(code).withHeader("Location", "/elsewhere").withBody(body));
        press(id, "owner")
                .andExpect(status().isBadGateway())
                .andExpect(jsonPath("$.title").value("The refine service gave an invalid answer"));
        SERVICE.verify(1, postRequestedFor(anyUrl()));
    }

    @Test
    void endlessAnswersAreCutOff() throws Exception {
        Long id = annotation(Project.Mode.CLASSIC);
        answers(aResponse().withBody(new byte[17 * 1024 * 1024]));
        press(id, "owner")
                .andExpect(status().isBadGateway())
                .andExpect(jsonPath("$.detail").value("Its answer is longer than 16777216 bytes. " + LOOK));
    }

    @Test
    void aSlowServiceIsAGatewayTimeout() {
        CountDownLatch told = new CountDownLatch(1);
        whenAsked = () -> await(told);
        answers(aResponse());
        RefineProblem problem = problemOf(new RefineClient(new ServiceDoor(SERVICE.baseUrl(), 60_000), 200), System.nanoTime());
        told.countDown();
        assertThat(problem.status()).isEqualTo(504);
        assertThat(problem.body()).contains("The refine service timed out", LOOK);
    }

    @Test
    void whoHasWaitedTooLongIsNotSentAnyMore() {
        RefineClient client = new RefineClient(new ServiceDoor(SERVICE.baseUrl(), 60_000), 200);
        RefineProblem problem = problemOf(client, System.nanoTime() - Duration.ofMinutes(1).toNanos());
        assertThat(problem.status()).isEqualTo(503);
        nothingWasSent();
    }

    private static void await(CountDownLatch latch) {
        try {
            latch.await();
        } catch (InterruptedException stopped) {
            Thread.currentThread().interrupt();
        }
    }

    private static RefineProblem problemOf(RefineClient client, long since) {
        return Assertions.assertThrows(
                RefineProblem.class, () -> client.refine(7, new RefineOptions(Map.of()), "t", since));
    }

    @ParameterizedTest
    @ValueSource(strings = {"CONNECTION_RESET_BY_PEER", "EMPTY_RESPONSE", "RANDOM_DATA_THEN_CLOSE"})
    void aBrokenConnectionIsToldAndNotTriedAgain(String fault) throws Exception {
        Long id = annotation(Project.Mode.CLASSIC);
        answers(aResponse().withFault(Fault.valueOf(fault)));
        press(id, "owner").andExpect(status().isBadGateway()).andExpect(jsonPath("$.detail", containsString(LOOK)));
        // By its path: a request of the test about slowness may arrive after its end.
        SERVICE.verify(1, postRequestedFor(urlEqualTo("/sam/annotations/" + id + "/refine")));
    }

    @ParameterizedTest
    @CsvSource({"502, service-absent", "504, service-slow"})
    void aProxyThatLostTheServiceIsNotBelieved(int code, String type) throws Exception {
        Long id = annotation(Project.Mode.CLASSIC);
        answers(problem(code, "{\"type\":\"urn:cytomine-refine:" + type + "\",\"detail\":\"is its container running?\"}"));
        press(id, "owner")
                .andExpect(status().is(code))
                .andExpect(jsonPath("$.type").value("urn:cytomine-refine:" + type))
                .andExpect(jsonPath("$.detail", containsString(LOOK)))
                .andExpect(jsonPath("$", hasKey("written")))
                .andExpect(jsonPath("$.written").value(nullValue()));
    }

    @ParameterizedTest
    @ValueSource(strings = {
        "{\"type\":\"urn:cytomine-refine:service-absent\",\"detail\":\"never sent\",\"written\":false}",
        "{\"type\":\"urn:cytomine-refine:platform-unavailable\",\"detail\":\"three points remain\",\"written\":true}",
        "{\"type\":\"urn:cytomine-refine:service-broke-off\",\"detail\":\"in the middle\"}",
    })
    void whoKnowsWhetherItWasWrittenIsBelieved(String body) throws Exception {
        Long id = annotation(Project.Mode.CLASSIC);
        answers(problem(502, body));
        press(id, "owner").andExpect(status().isBadGateway()).andExpect(content().json(body, true));
    }

    @Test
    void anAbsentServiceIsABadGateway() {
        RefineProblem problem = problemOf(
                new RefineClient(new ServiceDoor("http://127.0.0.1:9/sam", 60_000), 300_000), System.nanoTime());
        assertThat(problem.status()).isEqualTo(502);
        assertThat(problem.body()).contains("cannot be reached", "Nothing was changed.").doesNotContain("written");
    }
}
