package be.cytomine.refine;

import be.cytomine.utils.JsonObject;
import java.util.Optional;

/**
 * Why a refine did not happen, or not wholly, in the form of RFC 9457. The annotation is as it was unless the problem
 * says otherwise: by the member {@code written}, or by asking to look at the outline.
 */
class RefineProblem extends RuntimeException {

    private static final String URN = "urn:cytomine-refine:";
    private static final String LOOK = "The outline may have been changed: look at it before you repeat.";

    private final int status;
    private final String body;
    private final String retryAfter;

    /**
     * A problem that the service told.
     *
     * @param status     its HTTP status
     * @param body       its problem body, passed on as it is
     * @param retryAfter its Retry-After header, or null
     */
    RefineProblem(int status, String body, String retryAfter) {
        super("A refine ended with status " + status);
        this.status = status;
        this.body = body;
        this.retryAfter = retryAfter;
    }

    private static RefineProblem ours(int status, String type, String title, String detail, String retryAfter) {
        JsonObject body = JsonObject.of("type", URN + type, "title", title, "status", status, "detail", detail);
        return new RefineProblem(status, body.toJsonString(), retryAfter);
    }

    /** The request cannot be understood; nothing was sent. */
    static RefineProblem invalid(String why) {
        return ours(400, "invalid-request", "The request is malformed", why, null);
    }

    /** The caller's token does not allow to write; nothing was sent. */
    static RefineProblem readsOnly() {
        return ours(
                403,
                "token-reads-only",
                "This token may only read",
                "A refine writes: come with the token of a session, not with a short-term one.",
                null);
    }

    /** No connection was made. */
    static RefineProblem unreachable() {
        return ours(
                502,
                "service-unreachable",
                "The refine service cannot be reached",
                "Nothing was changed. Is its container running?",
                null);
    }

    /** An answer came, but none that tells what happened. */
    static RefineProblem nonsense(String what) {
        return ours(502, "service-nonsense", "The refine service did not answer properly", what + " " + LOOK, null);
    }

    /** A proxy speaks for the service; it may have lost it after it passed the request on. */
    static RefineProblem lost() {
        return ours(
                502,
                "service-absent",
                "The refine service is not there, or went away",
                LOOK + " Is the service's container running?",
                null);
    }

    /** No answer came in time. */
    static RefineProblem slow() {
        return ours(
                504, "service-slow", "The refine service is too slow", "It did not answer in time. " + LOOK, null);
    }

    /** Its turn did not come; nothing was sent. */
    static RefineProblem busy() {
        return ours(
                503,
                "core-busy",
                "Too many refines at a time",
                "Nothing was changed: too many refines are waiting. Try again in a few seconds.",
                "5");
    }

    int status() {
        return status;
    }

    String body() {
        return body;
    }

    Optional<String> retryAfter() {
        return Optional.ofNullable(retryAfter);
    }
}
