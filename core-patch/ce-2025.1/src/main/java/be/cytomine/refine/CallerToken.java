package be.cytomine.refine;

import io.jsonwebtoken.Jwts;
import io.jsonwebtoken.SignatureAlgorithm;
import io.jsonwebtoken.security.Keys;
import jakarta.servlet.http.HttpServletRequest;
import java.nio.charset.StandardCharsets;
import java.security.Key;
import java.time.Duration;
import java.time.Instant;
import java.util.Date;
import java.util.Optional;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.springframework.beans.factory.annotation.Value;
import org.springframework.security.core.Authentication;
import org.springframework.security.core.GrantedAuthority;
import org.springframework.security.core.context.SecurityContextHolder;
import org.springframework.stereotype.Component;

/**
 * The bearer token with which the service acts as the caller: the caller's own, or one of a few minutes for those who
 * signed with API keys. It is never logged and never part of an answer.
 */
@Component
class CallerToken {

    private static final String BEARER = "Bearer ";
    private static final Duration LASTS = Duration.ofMinutes(5);

    private final Key key;

    CallerToken(@Value("${application.authentication.jwt.secret}") String secret) {
        this.key = Keys.hmacShaKeyFor(secret.getBytes(StandardCharsets.UTF_8));
    }

    /** Finds the caller's token, or makes one. */
    String of(HttpServletRequest request) {
        return given(request).orElseGet(() -> made(SecurityContextHolder.getContext().getAuthentication()));
    }

    /** Finds the token in the header, or in the parameter that Core accepts too. */
    static Optional<String> given(HttpServletRequest request) {
        return Stream.of(request.getHeader("Authorization"), request.getParameter("Authorization"))
                .filter(given -> given != null && given.startsWith(BEARER))
                .map(given -> given.substring(BEARER.length()))
                .findFirst();
    }

    private String made(Authentication caller) {
        String authorities =
                caller.getAuthorities().stream().map(GrantedAuthority::getAuthority).collect(Collectors.joining(","));
        return Jwts.builder()
                .setSubject(caller.getName())
                .claim("auth", authorities)
                .claim("type", "SESSION") // the type for short terms may only read
                .setExpiration(Date.from(Instant.now().plus(LASTS)))
                .signWith(key, SignatureAlgorithm.HS512)
                .compact();
    }
}
