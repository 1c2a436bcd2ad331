package be.cytomine.refine;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.MissingNode;
import java.io.IOException;
import java.net.ConnectException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandler;
import java.net.http.HttpTimeoutException;
import java.time.Duration;
import java.util.concurrent.CompletableFuture;
import org.springframework.beans.factory.annotation.Value;
import org.springframework.stereotype.Component;

/**
 * The way to the refine service. The JDK's own client is used because it never sends a POST twice.
 *
 * <p>Environment: {@code REFINE_URL} (prefix included), {@code REFINE_CONNECT_TIMEOUT_MS}.
 */
@Component
class ServiceDoor {

    private static final ObjectMapper JSON = new ObjectMapper();

    private final String url;
    private final HttpClient http;

    ServiceDoor(
            @Value("${REFINE_URL:${SAM_URL:${INTERNAL_PROXY_URL:http://nginx}}/sam}") String url,
            @Value("${REFINE_CONNECT_TIMEOUT_MS:3000}") long connectTimeoutMs) {
        this.url = url.replaceAll("/+$", "");
        this.http = HttpClient.newBuilder()
                .version(HttpClient.Version.HTTP_1_1)
                .followRedirects(HttpClient.Redirect.NEVER)
                .connectTimeout(Duration.ofMillis(connectTimeoutMs))
                .build();
    }

    /**
     * Asks the service, once.
     *
     * @param path   after the prefix
     * @param token  the caller's bearer token
     * @param accept the type of the answer that is understood, beside that of problems
     */
    <T> CompletableFuture<HttpResponse<T>> ask(
            String path, Object body, String token, String accept, BodyHandler<T> handler) {
        HttpRequest request = HttpRequest.newBuilder(URI.create(url + path))
                .header("Authorization", "Bearer " + token)
                .header("Content-Type", "application/json")
                .header("Accept", accept + ", application/problem+json")
                .POST(BodyPublishers.ofString(written(body)))
                .build();
        return http.sendAsync(request, handler);
    }

    /** Tells of a failure whether the request was certainly never sent: one on a connection that broke may have been. */
    static boolean wasNeverSent(Throwable cause) {
        return cause instanceof HttpTimeoutException || cause instanceof ConnectException || !(cause instanceof IOException);
    }

    /** Tells whether an answer is a problem in the form of RFC 9457. */
    static boolean isProblem(int status, String type) {
        return status >= 400 && type.startsWith("application/problem+json");
    }

    /** Reads a JSON text; a missing node where it is none. */
    static JsonNode read(byte[] text) {
        try {
            return JSON.readTree(text);
        } catch (IOException unreadable) {
            return MissingNode.getInstance();
        }
    }

    private static String written(Object body) {
        try {
            return JSON.writeValueAsString(body);
        } catch (JsonProcessingException impossible) {
            throw new IllegalStateException(impossible);
        }
    }
}
