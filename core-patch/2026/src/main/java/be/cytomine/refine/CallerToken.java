package be.cytomine.refine;

import be.cytomine.exceptions.ForbiddenException;
import jakarta.servlet.http.HttpServletRequest;
import org.springframework.stereotype.Component;

/**
 * The bearer token with which the service acts as the caller. Only the identity provider makes tokens, so callers who
 * signed with API keys have none; they ask the service itself, which checks signatures.
 */
@Component
class CallerToken {

    private static final String BEARER = "Bearer ";

    /**
     * Finds the token in the header.
     *
     * @throws ForbiddenException the caller did not come with a token (403)
     */
    String of(HttpServletRequest request) {
        String given = request.getHeader("Authorization");
        if (given == null || !given.startsWith(BEARER)) {
            throw new ForbiddenException("A refine through Core needs a session; with API keys, ask the service itself");
        }
        return given.substring(BEARER.length());
    }
}
