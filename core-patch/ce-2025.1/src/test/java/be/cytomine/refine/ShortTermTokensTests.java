package be.cytomine.refine;

import static org.assertj.core.api.Assertions.assertThat;

import be.cytomine.domain.project.Project;
import be.cytomine.exceptions.ForbiddenException;
import io.jsonwebtoken.JwtException;
import io.jsonwebtoken.Jwts;
import io.jsonwebtoken.security.Keys;
import jakarta.servlet.FilterChain;
import jakarta.servlet.ServletException;
import jakarta.servlet.http.HttpServletRequest;
import jakarta.servlet.http.HttpServletResponse;
import java.io.IOException;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.security.Key;
import java.time.Instant;
import java.util.Date;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.springframework.context.annotation.Import;
import org.springframework.core.annotation.Order;
import org.springframework.stereotype.Component;
import org.springframework.web.filter.OncePerRequestFilter;

/** Tokens that may only read, in a server that refuses them as Core's own filter does. */
@Import(ShortTermTokensTests.TokensOfCore.class)
class ShortTermTokensTests extends ServerLab {

    private static final Key KEY = Keys.hmacShaKeyFor(SECRET.getBytes(StandardCharsets.UTF_8));

    /** Stands for Core's filter: its exception is nobody's to shape, so it ends as a page with status 500. */
    @Component
    @Order(-100)
    static class TokensOfCore extends OncePerRequestFilter {

        @Override
        protected void doFilterInternal(HttpServletRequest request, HttpServletResponse response, FilterChain chain)
                throws ServletException, IOException {
            String given = request.getHeader("Authorization") == null
                    ? request.getParameter("Authorization")
                    : request.getHeader("Authorization");
            if (!request.getMethod().equals("GET") && given != null && isShort(given.substring("Bearer ".length()))) {
                throw new ForbiddenException("Short term token can only be use with GET request");
            }
            chain.doFilter(request, response);
        }

        private boolean isShort(String token) {
            try {
                return "SHORT_TERM"
                        .equals(Jwts.parserBuilder().setSigningKey(KEY).build().parseClaimsJws(token).getBody().get("type"));
            } catch (JwtException none) {
                return false;
            }
        }
    }

    private static String token(String type, Key key, long lastsS) {
        return Jwts.builder()
                .setSubject("owner")
                .claim("type", type)
                .setExpiration(Date.from(Instant.now().plusSeconds(lastsS)))
                .signWith(key)
                .compact();
    }

    @ParameterizedTest
    @ValueSource(strings = {"sam", "sam.json", "sam?dryRun=true"})
    void aTokenForReadingIsToldSo(String path) throws Exception {
        Long id = annotation(Project.Mode.CLASSIC);
        String token = token("SHORT_TERM", KEY, 300);
        HttpResponse<String> answer = ask("/api/annotation/" + id + "/" + path, "Bearer " + token);
        assertThat(answer.statusCode()).as(answer.body()).isEqualTo(403);
        assertThat(answer.headers().firstValue("Content-Type")).hasValueSatisfying(
                type -> assertThat(type).startsWith("application/problem+json"));
        assertThat(answer.body()).contains("urn:cytomine-refine:token-reads-only", "\"status\":403").doesNotContain(token);
        askedTimes(0);
    }

    @Test
    void itIsFoundInTheQueryToo() throws Exception {
        Long id = annotation(Project.Mode.CLASSIC);
        String token = token("SHORT_TERM", KEY, 300);
        HttpResponse<String> answer = ask("/api/annotation/" + id + "/sam?Authorization=Bearer%20" + token, null);
        assertThat(answer.statusCode()).isEqualTo(403);
        assertThat(answer.body()).contains("token-reads-only");
    }

    @Test
    void othersAreLeftToCore() throws Exception {
        Long id = annotation(Project.Mode.CLASSIC);
        Key other = Keys.hmacShaKeyFor("o".repeat(64).getBytes(StandardCharsets.UTF_8));
        for (String token : new String[] {
            token("SESSION", KEY, 300), token("SHORT_TERM", other, 300), token("SHORT_TERM", KEY, -300), "owner"
        }) {
            assertThat(ask("/api/annotation/" + id + "/sam", "Bearer " + token).body()).doesNotContain("reads-only");
        }
        assertThat(ask("/api/annotation/" + id + "/sam", "Bearer owner").statusCode()).isEqualTo(200);
        assertThat(ask("/api/annotation/" + id + "/other", "Bearer " + token("SHORT_TERM", KEY, 300)).body())
                .doesNotContain("reads-only");
    }
}
