package be.cytomine.refine;

import static com.github.tomakehurst.wiremock.client.WireMock.aResponse;
import static com.github.tomakehurst.wiremock.client.WireMock.anyUrl;
import static com.github.tomakehurst.wiremock.client.WireMock.equalTo;
import static com.github.tomakehurst.wiremock.client.WireMock.post;
import static com.github.tomakehurst.wiremock.client.WireMock.postRequestedFor;
import static com.github.tomakehurst.wiremock.client.WireMock.urlEqualTo;
import static org.assertj.core.api.Assertions.assertThat;

import be.cytomine.domain.ontology.UserAnnotation;
import be.cytomine.domain.project.Project;
import be.cytomine.domain.security.SecUser;
import com.github.tomakehurst.wiremock.WireMockServer;
import com.github.tomakehurst.wiremock.core.WireMockConfiguration;
import jakarta.persistence.EntityManager;
import jakarta.servlet.FilterChain;
import jakarta.servlet.ServletException;
import jakarta.servlet.http.HttpServletRequest;
import jakarta.servlet.http.HttpServletResponse;
import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.springframework.beans.factory.annotation.Autowired;
import org.springframework.boot.test.context.SpringBootTest;
import org.springframework.boot.test.context.SpringBootTest.WebEnvironment;
import org.springframework.boot.test.context.TestConfiguration;
import org.springframework.boot.test.web.server.LocalServerPort;
import org.springframework.context.annotation.Bean;
import org.springframework.security.authentication.UsernamePasswordAuthenticationToken;
import org.springframework.security.config.annotation.web.builders.HttpSecurity;
import org.springframework.security.config.annotation.web.configurers.AbstractHttpConfigurer;
import org.springframework.security.core.context.SecurityContextHolder;
import org.springframework.security.web.SecurityFilterChain;
import org.springframework.security.web.access.intercept.AuthorizationFilter;
import org.springframework.test.context.ActiveProfiles;
import org.springframework.test.context.DynamicPropertyRegistry;
import org.springframework.test.context.DynamicPropertySource;
import org.springframework.transaction.support.TransactionTemplate;
import org.springframework.web.bind.annotation.PathVariable;
import org.springframework.web.bind.annotation.PostMapping;
import org.springframework.web.bind.annotation.RestController;
import org.springframework.web.filter.OncePerRequestFilter;

/** A real server with the stock method in it: the addition must come first, and let nobody past. */
@ActiveProfiles("own-security")
@SpringBootTest(webEnvironment = WebEnvironment.RANDOM_PORT)
class StockRouteTests {

    private static final String BOX = "POLYGON ((0 0, 9 0, 9 9, 0 9, 0 0))";
    private static final WireMockServer SERVICE = new WireMockServer(WireMockConfiguration.options().dynamicPort());

    @LocalServerPort
    private int port;

    @Autowired
    private EntityManager entityManager;

    @Autowired
    private TransactionTemplate transaction;

    /** Stands for the stock method: whoever reaches it got past the rules. */
    @RestController
    static class StockController {

        @PostMapping("/api/annotations/{id}/refine")
        String refine(@PathVariable Long id) {
            return "stock";
        }
    }

    /** Takes a bearer token for its user's name, and API keys for those of the user before the colon. */
    static class Names extends OncePerRequestFilter {

        @Override
        protected void doFilterInternal(HttpServletRequest request, HttpServletResponse response, FilterChain chain)
                throws ServletException, IOException {
            String given = request.getHeader("Authorization");
            if (given != null) {
                String name = given.substring(given.indexOf(' ') + 1).split(":")[0];
                SecurityContextHolder.getContext()
                        .setAuthentication(new UsernamePasswordAuthenticationToken(name, "", List.of()));
            }
            chain.doFilter(request, response);
        }
    }

    @TestConfiguration
    static class Security {

        @Bean
        SecurityFilterChain namesAreEnough(HttpSecurity http) throws Exception {
            return http.csrf(AbstractHttpConfigurer::disable)
                    .addFilterBefore(new Names(), AuthorizationFilter.class)
                    .authorizeHttpRequests(requests -> requests.anyRequest().authenticated())
                    .build();
        }

        @Bean
        StockController stockController() {
            return new StockController();
        }
    }

    @DynamicPropertySource
    static void environment(DynamicPropertyRegistry registry) {
        SERVICE.start();
        registry.add("SAM_URL", SERVICE::baseUrl);
        registry.add("spring.jpa.hibernate.ddl-auto", () -> "create");
    }

    @AfterAll
    static void stop() {
        SERVICE.stop();
    }

    @BeforeEach
    void theServiceAnswers() {
        SERVICE.resetAll();
        SERVICE.stubFor(post(anyUrl()).willReturn(aResponse().withBody("{\"message\":\"Done.\",\"command\":88}")));
    }

    private Long annotation(Project.Mode mode) {
        return transaction.execute(none -> {
            entityManager.createQuery("delete from UserAnnotation").executeUpdate();
            entityManager.createQuery("delete from SecUser").executeUpdate();
            SecUser owner = new SecUser("owner", false);
            Project project = new Project(mode, Map.of("owner", 2, "colleague", 2, "manager", 16));
            List<Object> all = List.of(
                    owner,
                    new SecUser("colleague", false),
                    new SecUser("manager", false),
                    new SecUser("stranger", false),
                    project);
            all.forEach(entityManager::persist);
            UserAnnotation drawn = new UserAnnotation(project, owner, BOX);
            entityManager.persist(drawn);
            return drawn.getId();
        });
    }

    private HttpResponse<String> ask(String path, String authorization) throws Exception {
        HttpRequest.Builder request = HttpRequest.newBuilder(URI.create("http://127.0.0.1:" + port + path))
                .POST(BodyPublishers.noBody());
        if (authorization != null) {
            request.header("Authorization", authorization);
        }
        return HttpClient.newHttpClient().send(request.build(), BodyHandlers.ofString());
    }

    @Test
    void theStockRouteAnswersInItsOwnFormAndCanBeUndone() throws Exception {
        Long id = annotation(Project.Mode.CLASSIC);
        HttpResponse<String> answer = ask("/api/annotations/" + id + "/refine", "Bearer owner");
        assertThat(answer.statusCode()).isEqualTo(200);
        assertThat(answer.body())
                .contains("\"id\":" + id, "\"location\":\"" + BOX + "\"", "\"command\":88", "\"url\":")
                .doesNotContain("refinement");
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
        SERVICE.verify(expected == 200 ? 2 : 0, postRequestedFor(anyUrl()));
    }

    @Test
    void nobodyReachesTheStockMethod() throws Exception {
        Long id = annotation(Project.Mode.CLASSIC);
        for (String path : List.of("refine", "refine/", "refine;x=1", "refine?a=b")) {
            HttpResponse<String> answer = ask("/api/annotations/" + id + "/" + path, "Bearer stranger");
            assertThat(answer.body()).isNotEqualTo("stock");
            assertThat(answer.statusCode()).isBetween(400, 499);
        }
        assertThat(ask("/api/annotations/" + id + "/refine", null).statusCode()).isEqualTo(403);
        SERVICE.verify(0, postRequestedFor(anyUrl()));
    }

    @Test
    void callersWithKeysAreSentToTheService() throws Exception {
        Long id = annotation(Project.Mode.CLASSIC);
        HttpResponse<String> answer = ask("/api/annotations/" + id + "/refine", "CYTOMINE owner:signature");
        assertThat(answer.statusCode()).isEqualTo(403);
        assertThat(answer.body()).contains("ask the service itself");
        SERVICE.verify(0, postRequestedFor(anyUrl()));
    }

    @Test
    void problemsOfTheServicePassUnchanged() throws Exception {
        Long id = annotation(Project.Mode.CLASSIC);
        SERVICE.stubFor(post(anyUrl())
                .willReturn(aResponse()
                        .withStatus(503)
                        .withHeader("Content-Type", "application/problem+json")
                        .withHeader("Retry-After", "7")
                        .withBody("{\"title\":\"The model is busy\"}")));
        HttpResponse<String> answer = ask("/api/annotations/" + id + "/refine", "Bearer owner");
        assertThat(answer.statusCode()).isEqualTo(503);
        assertThat(answer.headers().firstValue("Retry-After")).contains("7");
        assertThat(answer.body()).contains("The model is busy");
    }
}
