package be.cytomine.refine;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.type.TypeReference;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.MissingNode;
import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpTimeoutException;
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
 * Asks the refine service, once, within time. The JDK's own client is used because it never sends a POST twice.
 *
 * <p>Environment: {@code REFINE_URL} (prefix included), {@code REFINE_CONNECT_TIMEOUT_MS}, {@code
 * REFINE_READ_TIMEOUT_MS} (from the moment the request came, so below the 60 s after which the public proxy gives up).
 */
@Component
class RefineClient {

    private static final int MOST_BYTES = 16 * 1024 * 1024;
    private static final ObjectMapper JSON = new ObjectMapper();

    private final String url;
    private final Duration readTimeout;
    private final HttpClient http;

    RefineClient(
            @Value("${REFINE_URL:${SAM_URL:${INTERNAL_PROXY_URL:http://nginx}}/sam}") String url,
            @Value("${REFINE_CONNECT_TIMEOUT_MS:3000}") long connectTimeoutMs,
            @Value("${REFINE_READ_TIMEOUT_MS:55000}") long readTimeoutMs) {
        this.url = url.replaceAll("/+$", "");
        this.readTimeout = Duration.ofMillis(readTimeoutMs);
        this.http = HttpClient.newBuilder()
                .version(HttpClient.Version.HTTP_1_1)
                .followRedirects(HttpClient.Redirect.NEVER)
                .connectTimeout(Duration.ofMillis(connectTimeoutMs))
                .build();
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
            throw RefineProblem.busy();
        }
        return read(send(request(annotation, options, token), left));
    }

    private HttpRequest request(long annotation, RefineOptions options, String token) {
        return HttpRequest.newBuilder(URI.create(url + "/annotations/" + annotation + "/refine"))
                .header("Authorization", "Bearer " + token)
                .header("Content-Type", "application/json")
                .header("Accept", "application/json, application/problem+json")
                .POST(BodyPublishers.ofString(written(options)))
                .build();
    }

    private HttpResponse<byte[]> send(HttpRequest request, Duration left) {
        CompletableFuture<HttpResponse<byte[]>> answer = http.sendAsync(request, info -> new BoundedBody(MOST_BYTES));
        try {
            return answer.get(left.toMillis(), TimeUnit.MILLISECONDS);
        } catch (TimeoutException slow) {
            answer.cancel(true);
            throw RefineProblem.slow();
        } catch (InterruptedException stopped) {
            answer.cancel(true);
            Thread.currentThread().interrupt();
            throw RefineProblem.nonsense("Core stopped waiting for it.");
        } catch (ExecutionException failed) {
            throw problemOf(failed.getCause());
        }
    }

    private static RefineProblem problemOf(Throwable cause) {
        if (cause instanceof BoundedBody.TooLong) {
            return RefineProblem.nonsense("Its answer is longer than " + MOST_BYTES + " bytes.");
        }
        // A connection that was never made changed nothing; one that broke may have.
        boolean neverSent = cause instanceof HttpTimeoutException || cause instanceof java.net.ConnectException;
        return neverSent || !(cause instanceof IOException)
                ? RefineProblem.unreachable()
                : RefineProblem.nonsense("It broke the connection off.");
    }

    private static Refinement read(HttpResponse<byte[]> answer) {
        int status = answer.statusCode();
        String type = answer.headers().firstValue("Content-Type").orElse("");
        if (status >= 400 && type.startsWith("application/problem+json")) {
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
        throw RefineProblem.nonsense("Its answer is not the result of a refine.");
    }

    /** The service's problems go on as they are; a proxy that cannot tell whether it passed the request on is doubted. */
    private static RefineProblem passedOn(HttpResponse<byte[]> answer) {
        JsonNode problem = problemIn(answer.body());
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

    private static JsonNode problemIn(byte[] body) {
        try {
            return JSON.readTree(body);
        } catch (IOException unreadable) {
            return MissingNode.getInstance();
        }
    }

    private static String written(RefineOptions options) {
        try {
            return JSON.writeValueAsString(options.forService());
        } catch (JsonProcessingException impossible) {
            throw new IllegalStateException(impossible);
        }
    }
}
