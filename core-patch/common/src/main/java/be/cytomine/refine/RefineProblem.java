package be.cytomine.refine;

import be.cytomine.utils.JsonObject;
import java.util.Optional;

/**
 * Why a refine did not happen, or not wholly, in the form of RFC 9457. The annotation is as it was unless the problem has
 * the member {@code written}: true where the new outline is stored, null where nobody knows.
 */
class RefineProblem extends RuntimeException {

    private static final String URN = "urn:cytomine-refine:";
    private static final String LOOK = "The outline may have changed; check it before you try again.";

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

    private static JsonObject told(int status, String type, String title, String detail) {
        return JsonObject.of("type", URN + type, "title", title, "status", status, "detail", detail);
    }

    private static RefineProblem unwritten(int status, String type, String title, String detail) {
        return new RefineProblem(status, told(status, type, title, detail).toJsonString(), null);
    }

    private static RefineProblem doubtful(int status, String type, String title, String detail) {
        JsonObject body = told(status, type, title, detail);
        body.put("written", null);
        return new RefineProblem(status, body.toJsonString(), null);
    }

    /** The request cannot be understood; nothing was sent. */
    static RefineProblem invalid(String why) {
        return unwritten(400, "invalid-request", "The request is malformed", why);
    }

    /** More was sent than is read; nothing was sent on. */
    static RefineProblem tooLong(int mostBytes) {
        return unwritten(
                413,
                "body-too-large",
                "The request is too large",
                "The body is larger than " + mostBytes + " bytes.");
    }

    /** The caller's token is for reading with GET only; nothing was sent. */
    static RefineProblem readsOnly() {
        return unwritten(
                403,
                "token-reads-only",
                "This token is read-only",
                "Refining and searching need a session token, not a short-term one.");
    }

    /** No connection was made. */
    static RefineProblem unreachable() {
        return unwritten(
                502,
                "service-unreachable",
                "The refine service cannot be reached",
                "Nothing was changed. Is its container running?");
    }

    /**
     * Its turn did not come; nothing was sent.
     *
     * @param what those in line: refines, or searches
     */
    static RefineProblem busy(String what) {
        JsonObject body = told(
                503,
                "core-busy",
                "Too many " + what + " at once",
                "Nothing was changed: too many " + what + " are waiting. Try again in a few seconds.");
        return new RefineProblem(503, body.toJsonString(), "5");
    }

    /** An answer came, but none that tells what happened. */
    static RefineProblem nonsense(String what) {
        return doubtful(502, "service-nonsense", "The refine service gave an invalid answer", what + " " + LOOK);
    }

    /** A proxy speaks for the service; it may have lost it after it passed the request on. */
    static RefineProblem lost() {
        return doubtful(
                502,
                "service-absent",
                "The refine service is not available",
                LOOK + " Is the service's container running?");
    }

    /** No answer came in time. */
    static RefineProblem slow() {
        return doubtful(504, "service-slow", "The refine service timed out", "It did not answer in time. " + LOOK);
    }

    /** A search, which never writes, got an answer that does not come from the service. */
    static RefineProblem unfit(String what) {
        return unwritten(502, "service-nonsense", "The refine service gave an invalid answer", what);
    }

    /** A search was broken off. */
    static RefineProblem brokenOff() {
        return unwritten(
                502,
                "service-absent",
                "The refine service is not available",
                "The connection broke. Is its container running?");
    }

    /** A search got no answer, or no further line, in time. */
    static RefineProblem silent() {
        return unwritten(504, "service-slow", "The refine service timed out", "It did not answer in time.");
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
