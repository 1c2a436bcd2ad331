package be.cytomine.refine;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodySubscriber;
import java.net.http.HttpResponse.BodySubscribers;
import java.net.http.HttpResponse.ResponseInfo;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.springframework.beans.factory.annotation.Value;
import org.springframework.stereotype.Component;

/**
 * Has the refine service propose objects, once. Nothing is ever written by it.
 *
 * <p>Environment: {@code REFINE_PROPOSE_SILENCE_MS}, the longest silence before the answer and between two of its lines;
 * above what the service may take for all of it.
 */
@Component
class ProposeClient {

    static final String TYPE = "application/x-ndjson";

    private static final int LONGEST_PROBLEM = 1024 * 1024;
    private static final List<String> OF_PROXIES = List.of(
            "urn:cytomine-refine:service-absent",
            "urn:cytomine-refine:service-slow",
            "urn:cytomine-refine:service-broke-off");

    private final ServiceDoor service;
    private final Duration silence;

    ProposeClient(ServiceDoor service, @Value("${REFINE_PROPOSE_SILENCE_MS:150000}") long silenceMs) {
        this.service = service;
        this.silence = Duration.ofMillis(silenceMs);
    }

    /** Either lines as they come, or the whole of an answer without proposals. */
    private record Answer(StreamedLines lines, byte[] other) {}

    /** Tells how long one may wait for a line. */
    Duration silence() {
        return silence;
    }

    /**
     * Asks for proposals.
     *
     * @param token the caller's bearer token
     * @return the lines of the answer, to be closed
     * @throws RefineProblem the service refused, failed, was silent, or could not be reached
     */
    StreamedLines propose(ObjectNode question, String token) {
        CompletableFuture<HttpResponse<Answer>> asked =
                service.ask("/propose", question, token, TYPE, ProposeClient::subscriber);
        try {
            return lines(asked.get(silence.toMillis(), TimeUnit.MILLISECONDS));
        } catch (TimeoutException silent) {
            asked.cancel(true);
            throw RefineProblem.silent();
        } catch (InterruptedException stopped) {
            asked.cancel(true);
            Thread.currentThread().interrupt();
            throw RefineProblem.unfit("Core was interrupted while waiting for it.");
        } catch (ExecutionException failed) {
            throw ServiceDoor.wasNeverSent(failed.getCause())
                    ? RefineProblem.unreachable()
                    : RefineProblem.brokenOff();
        }
    }

    private static BodySubscriber<Answer> subscriber(ResponseInfo info) {
        if (info.statusCode() == 200 && type(info.headers().firstValue("Content-Type").orElse("")).equals(TYPE)) {
            return BodySubscribers.mapping(new StreamedLines(), lines -> new Answer(lines, null));
        }
        return BodySubscribers.mapping(new BoundedBody(LONGEST_PROBLEM), other -> new Answer(null, other));
    }

    private static String type(String header) {
        return header.split(";")[0].strip();
    }

    private static StreamedLines lines(HttpResponse<Answer> answer) {
        if (answer.body().lines() != null) {
            return answer.body().lines();
        }
        int status = answer.statusCode();
        byte[] other = answer.body().other();
        if (!ServiceDoor.isProblem(status, answer.headers().firstValue("Content-Type").orElse(""))) {
            throw RefineProblem.unfit(
                    status == 200 ? "Its answer does not contain proposals." : "Its status was " + status + ".");
        }
        if (OF_PROXIES.contains(ServiceDoor.read(other).path("type").asText())) { // they speak of outlines
            throw status == 504 ? RefineProblem.silent() : RefineProblem.brokenOff();
        }
        String retryAfter = answer.headers().firstValue("Retry-After").orElse(null);
        throw new RefineProblem(status, new String(other, StandardCharsets.UTF_8), retryAfter);
    }
}
