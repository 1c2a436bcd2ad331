package be.cytomine.refine;

import com.fasterxml.jackson.core.type.TypeReference;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.springframework.beans.factory.annotation.Value;
import org.springframework.stereotype.Component;

/**
 * Has the refine service outline an annotation, once, within time.
 *
 * <p>Environment: {@code REFINE_READ_TIMEOUT_MS} (from the moment the request came, so below the 60 s after which the
 * public proxy gives up).
 */
@Component
class RefineClient {

    private static final int MOST_BYTES = 16 * 1024 * 1024;
    private static final ObjectMapper JSON = new ObjectMapper();

    private final ServiceDoor service;
    private final Duration readTimeout;

    RefineClient(ServiceDoor service, @Value("${REFINE_READ_TIMEOUT_MS:55000}") long readTimeoutMs) {
        this.service = service;
        this.readTimeout = Duration.ofMillis(readTimeoutMs);
    }

    /**
     * Has an annotation refined.
     *
     * @param token the caller's bearer token
     * @param since when the caller's request came, on the clock of {@link System#nanoTime}
     * @throws RefineProblem the service refused, failed, was slow, or could not be reached
     */
    Refinement refine(long annotation, RefineOptions options, String token, long since) {
        Duration left = readTimeout.minusNanos(System.nanoTime() - since);
        if (left.isNegative()) {
            throw RefineProblem.busy("refines");
        }
        String path = "/annotations/" + annotation + "/refine";
        return read(await(
                service.ask(path, options.forService(), token, "application/json", info -> new BoundedBody(MOST_BYTES)),
                left));
    }

    private static HttpResponse<byte[]> await(CompletableFuture<HttpResponse<byte[]>> answer, Duration left) {
        try {
            return answer.get(left.toMillis(), TimeUnit.MILLISECONDS);
        } catch (TimeoutException slow) {
            answer.cancel(true);
            throw RefineProblem.slow();
        } catch (InterruptedException stopped) {
            answer.cancel(true);
            Thread.currentThread().interrupt();
            throw RefineProblem.nonsense("Core was interrupted while waiting for it.");
        } catch (ExecutionException failed) {
            throw problemOf(failed.getCause());
        }
    }

    private static RefineProblem problemOf(Throwable cause) {
        if (cause instanceof BoundedBody.TooLong) {
            return RefineProblem.nonsense("Its answer is longer than " + MOST_BYTES + " bytes.");
        }
        return ServiceDoor.wasNeverSent(cause)
                ? RefineProblem.unreachable()
                : RefineProblem.nonsense("The connection broke.");
    }

    private static Refinement read(HttpResponse<byte[]> answer) {
        int status = answer.statusCode();
        if (ServiceDoor.isProblem(status, answer.headers().firstValue("Content-Type").orElse(""))) {
            throw passedOn(answer);
        }
        if (status != 200) {
            throw RefineProblem.nonsense("Its status was " + status + ".");
        }
        try {
            Map<String, Object> all = JSON.readValue(answer.body(), new TypeReference<Map<String, Object>>() {});
            if (all != null && all.containsKey("message") && all.containsKey("command")) {
                return new Refinement(all);
            }
        } catch (IOException unreadable) {
            // told below
        }
        throw RefineProblem.nonsense("Its answer is not a refine result.");
    }

    /** The service's problems go on as they are; a proxy that cannot tell whether it passed the request on is doubted. */
    private static RefineProblem passedOn(HttpResponse<byte[]> answer) {
        JsonNode problem = ServiceDoor.read(answer.body());
        boolean unknown = !problem.has("written");
        String type = problem.path("type").asText();
        if (unknown && type.equals("urn:cytomine-refine:service-absent")) {
            return RefineProblem.lost();
        }
        if (unknown && type.equals("urn:cytomine-refine:service-slow")) {
            return RefineProblem.slow();
        }
        String retryAfter = answer.headers().firstValue("Retry-After").orElse(null);
        return new RefineProblem(answer.statusCode(), new String(answer.body(), StandardCharsets.UTF_8), retryAfter);
    }
}
