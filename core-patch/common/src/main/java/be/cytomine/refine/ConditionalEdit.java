package be.cytomine.refine;

import jakarta.servlet.FilterChain;
import jakarta.servlet.ServletException;
import jakarta.servlet.http.HttpServletRequest;
import jakarta.servlet.http.HttpServletResponse;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.sql.Timestamp;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.springframework.http.HttpHeaders;
import org.springframework.http.HttpStatus;
import org.springframework.http.MediaType;
import org.springframework.jdbc.core.JdbcTemplate;
import org.springframework.stereotype.Component;
import org.springframework.transaction.PlatformTransactionManager;
import org.springframework.transaction.UnexpectedRollbackException;
import org.springframework.transaction.support.TransactionTemplate;
import org.springframework.web.filter.OncePerRequestFilter;
import org.springframework.web.util.ContentCachingResponseWrapper;

/**
 * Lets a caller say which state of an annotation an edit is meant for: {@code If-Match: "<updated>"}, as a GET tells
 * it. Core itself lets the last edit win, so two services that share nothing but Core would write one refine twice.
 *
 * <p>The annotation's row stays locked from the comparison to the end of Core's own edit, so of two such edits exactly
 * one is written; the other one gets 412. Edits without the header are Core's alone.
 */
@Component
class ConditionalEdit extends OncePerRequestFilter {

    private static final Pattern ROUTE = Pattern.compile("/api/(?:user)?annotation/([^/]+)\\.json");
    private static final Pattern STATE = Pattern.compile("\"([0-9]{1,18})\"");
    private static final String CHANGED =
            "{\"success\":false,\"errors\":\"The annotation was changed meanwhile.\",\"errorValues\":{}}";
    private static final int MOST_S = 30;

    private final TransactionTemplate transaction;
    private final JdbcTemplate database;

    ConditionalEdit(PlatformTransactionManager transactions, JdbcTemplate database) {
        this.transaction = new TransactionTemplate(transactions);
        this.transaction.setTimeout(MOST_S);
        this.database = database;
    }

    @Override
    protected boolean shouldNotFilter(HttpServletRequest request) {
        return !request.getMethod().equals("PUT") || request.getHeader(HttpHeaders.IF_MATCH) == null;
    }

    @Override
    protected void doFilterInternal(HttpServletRequest request, HttpServletResponse response, FilterChain chain)
            throws ServletException, IOException {
        Matcher route = ROUTE.matcher(request.getServletPath());
        if (!route.matches()) {
            chain.doFilter(request, response);
            return;
        }
        ContentCachingResponseWrapper held = new ContentCachingResponseWrapper(response);
        try {
            transaction.executeWithoutResult(begun -> edit(request, held, chain, route.group(1)));
        } catch (UnexpectedRollbackException undone) {
            if (held.getStatus() < HttpStatus.BAD_REQUEST.value()) { // told as written, and it is not
                throw undone;
            }
        }
        held.copyBodyToResponse(); // not before the commit: until then nothing is sure
    }

    private void edit(HttpServletRequest request, HttpServletResponse held, FilterChain chain, String id) {
        try {
            if (isAsItWas(id, request.getHeader(HttpHeaders.IF_MATCH))) {
                chain.doFilter(request, held);
            } else {
                refuse(held);
            }
        } catch (IOException broken) {
            throw new UncheckedIOException(broken);
        } catch (ServletException failed) {
            throw new IllegalStateException(failed);
        }
    }

    /** Compares, and locks the row; an annotation that is not there is left to Core to refuse. */
    private boolean isAsItWas(String id, String given) {
        Matcher state = STATE.matcher(given);
        if (!state.matches() || !PlainId.is(id)) {
            return false;
        }
        List<Timestamp> found = database.queryForList(
                "SELECT updated FROM user_annotation WHERE id = ? FOR UPDATE", Timestamp.class, Long.parseLong(id));
        return found.isEmpty()
                || found.get(0) != null && found.get(0).getTime() == Long.parseLong(state.group(1));
    }

    private static void refuse(HttpServletResponse held) throws IOException {
        held.setStatus(HttpStatus.PRECONDITION_FAILED.value());
        held.setContentType(MediaType.APPLICATION_JSON_VALUE);
        held.getOutputStream().write(CHANGED.getBytes(StandardCharsets.UTF_8));
    }
}
