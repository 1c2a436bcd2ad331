package be.cytomine.refine;

import be.cytomine.utils.JsonObject;
import java.util.Optional;

/** Why a refine did not happen, in the form of RFC 9457; the annotation is as it was unless the status is 504. */
class RefineProblem extends RuntimeException {

    private static final String URN = "urn:cytomine-refine:";

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
        super("The refine service answered with status " + status);
        this.status = status;
        this.body = body;
        this.retryAfter = retryAfter;
    }

    private static RefineProblem ours(int status, String type, String title, String detail, String retryAfter) {
        JsonObject body = JsonObject.of("type", URN + type, "title", title, "status", status, "detail", detail);
        return new RefineProblem(status, body.toJsonString(), retryAfter);
    }

    static RefineProblem unreachable() {
        return ours(
                502, "service-unreachable", "The refine service cannot be reached", "Is its container running?", null);
    }

    static RefineProblem nonsense(String what) {
        return ours(502, "service-nonsense", "The refine service did not answer properly", what, null);
    }

    static RefineProblem slow() {
        return ours(
                504,
                "service-slow",
                "The refine service is too slow",
                "It did not answer in time. Look at the annotation before you try again.",
                null);
    }

    static RefineProblem busy() {
        return ours(
                503, "core-busy", "Too many refines at a time", "Core waits for as many refines as it may.", "3");
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
