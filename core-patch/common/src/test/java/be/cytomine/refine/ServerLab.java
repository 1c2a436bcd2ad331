package be.cytomine.refine;

import static com.github.tomakehurst.wiremock.client.WireMock.aResponse;
import static com.github.tomakehurst.wiremock.client.WireMock.anyUrl;
import static com.github.tomakehurst.wiremock.client.WireMock.post;
import static com.github.tomakehurst.wiremock.client.WireMock.postRequestedFor;

import be.cytomine.domain.image.ImageInstance;
import be.cytomine.domain.ontology.UserAnnotation;
import be.cytomine.domain.project.Project;
import be.cytomine.domain.security.SecUser;
import com.github.tomakehurst.wiremock.WireMockServer;
import com.github.tomakehurst.wiremock.client.ResponseDefinitionBuilder;
import com.github.tomakehurst.wiremock.common.FileSource;
import com.github.tomakehurst.wiremock.core.WireMockConfiguration;
import com.github.tomakehurst.wiremock.extension.Parameters;
import com.github.tomakehurst.wiremock.extension.ResponseTransformer;
import com.github.tomakehurst.wiremock.http.Request;
import com.github.tomakehurst.wiremock.http.Response;
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
import org.junit.jupiter.api.BeforeEach;
import org.springframework.beans.factory.annotation.Autowired;
import org.springframework.boot.test.context.SpringBootTest;
import org.springframework.boot.test.context.SpringBootTest.WebEnvironment;
import org.springframework.boot.test.context.TestConfiguration;
import org.springframework.boot.test.web.server.LocalServerPort;
import org.springframework.context.annotation.Bean;
import org.springframework.context.annotation.Import;
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
import org.springframework.web.filter.OncePerRequestFilter;

/** A real server with the addition in it, people with rights, and a service that does what a test wants. */
@ActiveProfiles("own-security")
@SpringBootTest(webEnvironment = WebEnvironment.RANDOM_PORT)
@Import(ServerLab.Security.class)
abstract class ServerLab {

    static final String SECRET = "s".repeat(64);
    static final String BOX = "POLYGON ((0 0, 9 0, 9 9, 0 9, 0 0))";
    static final HttpClient HTTP = HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).build();
    static final WireMockServer SERVICE = started();
    private static volatile Runnable whenAsked = () -> {};

    @LocalServerPort
    int port;

    @Autowired
    EntityManager entityManager;

    @Autowired
    TransactionTemplate transaction;

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
        WireMockServer server = new WireMockServer(
                WireMockConfiguration.options().dynamicPort().extensions(new Meanwhile()));
        server.start();
        return server;
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
    }

    @DynamicPropertySource
    static void environment(DynamicPropertyRegistry registry) {
        registry.add("SAM_URL", SERVICE::baseUrl);
        registry.add("REFINE_READ_TIMEOUT_MS", () -> "300000"); // no test of a server is about time
        registry.add("REFINE_WAIT_MS", () -> "300000");
        registry.add("application.authentication.jwt.secret", () -> SECRET);
        registry.add("spring.jpa.hibernate.ddl-auto", () -> "create");
    }

    @BeforeEach
    void theServiceAnswers() {
        SERVICE.resetAll();
        whenAsked = () -> {};
        answers(aResponse().withBody("{\"message\":\"Done.\",\"command\":88}"));
    }

    static void answers(ResponseDefinitionBuilder answer) {
        SERVICE.stubFor(post(anyUrl()).willReturn(answer.withTransformers("meanwhile")));
    }

    static void whenAsked(Runnable happens) {
        whenAsked = happens;
    }

    static void askedTimes(int times) {
        SERVICE.verify(times, postRequestedFor(anyUrl()));
    }

    /** Draws an annotation of the owner in a project with a colleague and a manager. */
    Long annotation(Project.Mode mode) {
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

    /** Gives an image of a project with an owner of annotations, a colleague and a manager. */
    Long image() {
        Long drawn = annotation(Project.Mode.CLASSIC);
        return transaction.execute(none -> {
            UserAnnotation on = entityManager.find(UserAnnotation.class, drawn);
            ImageInstance image = new ImageInstance((Project) on.container());
            entityManager.persist(image);
            return image.getId();
        });
    }

    HttpRequest.Builder request(String path, String authorization) {
        HttpRequest.Builder request =
                HttpRequest.newBuilder(URI.create("http://127.0.0.1:" + port + path)).POST(BodyPublishers.noBody());
        return authorization == null ? request : request.header("Authorization", authorization);
    }

    HttpResponse<String> ask(String path, String authorization) throws Exception {
        return ask(request(path, authorization));
    }

    static HttpResponse<String> ask(HttpRequest.Builder request) throws Exception {
        return HTTP.send(request.build(), BodyHandlers.ofString());
    }
}
