package be.cytomine.refine;

import io.jsonwebtoken.JwtException;
import io.jsonwebtoken.JwtParser;
import io.jsonwebtoken.Jwts;
import io.jsonwebtoken.security.Keys;
import jakarta.servlet.FilterChain;
import jakarta.servlet.ServletException;
import jakarta.servlet.http.HttpServletRequest;
import jakarta.servlet.http.HttpServletResponse;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.regex.Pattern;
import org.springframework.beans.factory.annotation.Value;
import org.springframework.boot.autoconfigure.security.SecurityProperties;
import org.springframework.core.annotation.Order;
import org.springframework.http.MediaType;
import org.springframework.stereotype.Component;
import org.springframework.web.filter.OncePerRequestFilter;

/**
 * Says so where somebody wants a refine or proposals with a short-term token, which may only read. It comes before Core's own filter,
 * whose refusal ends as an error page with status 500. What it overlooks, Core's filter still refuses.
 */
@Component
@Order(SecurityProperties.DEFAULT_FILTER_ORDER - 1)
class ShortTermTokens extends OncePerRequestFilter {

    private static final Pattern ROUTE = Pattern.compile("/api/(annotation/[^/]+/sam|imageinstance/[^/]+/sam/propose)(\\.json)?");

    private final JwtParser tokens;

    ShortTermTokens(@Value("${application.authentication.jwt.secret}") String secret) {
        this.tokens = Jwts.parserBuilder()
                .setSigningKey(Keys.hmacShaKeyFor(secret.getBytes(StandardCharsets.UTF_8)))
                .build();
    }

    @Override
    protected boolean shouldNotFilter(HttpServletRequest request) {
        return !request.getMethod().equals("POST") || !ROUTE.matcher(request.getServletPath()).matches();
    }

    @Override
    protected void doFilterInternal(HttpServletRequest request, HttpServletResponse response, FilterChain chain)
            throws ServletException, IOException {
        if (CallerToken.given(request).filter(this::isShortTerm).isEmpty()) {
            chain.doFilter(request, response);
            return;
        }
        RefineProblem problem = RefineProblem.readsOnly();
        response.setStatus(problem.status());
        response.setContentType(MediaType.APPLICATION_PROBLEM_JSON_VALUE);
        response.getOutputStream().write(problem.body().getBytes(StandardCharsets.UTF_8));
    }

    private boolean isShortTerm(String token) {
        try {
            return "SHORT_TERM".equals(tokens.parseClaimsJws(token).getBody().get("type"));
        } catch (JwtException | IllegalArgumentException unreadable) {
            return false;
        }
    }
}
