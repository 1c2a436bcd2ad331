package be.cytomine.refine;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.StreamReadFeature;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import jakarta.servlet.http.HttpServletRequest;
import java.io.IOException;
import java.util.List;
import java.util.Set;
import org.springframework.http.HttpHeaders;
import org.springframework.http.InvalidMediaTypeException;
import org.springframework.http.MediaType;
import org.springframework.web.HttpMediaTypeNotSupportedException;

/** The JSON object in the body of a request: bounded, and read strictly. */
final class JsonBody {

    /** Parameters of a query that say who asks, not what for. */
    static final Set<String> CREDENTIALS = Set.of("Authorization", "auth");

    private static final int MOST_BYTES = 2 * 1024 * 1024; // as the service reads at most
    private static final ObjectMapper STRICT = new ObjectMapper(
                    JsonFactory.builder().enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION).build())
            .enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS);

    private JsonBody() {}

    /**
     * Reads the body of a request: a JSON object, null, or nothing; the last two give an empty object.
     *
     * @throws RefineProblem                      it is not a JSON object, or names something twice (400); it is too long (413)
     * @throws HttpMediaTypeNotSupportedException it does not claim to be JSON (415)
     * @throws IOException                        it broke off
     */
    static ObjectNode of(HttpServletRequest request) throws HttpMediaTypeNotSupportedException, IOException {
        byte[] body = request.getInputStream().readNBytes(MOST_BYTES + 1);
        if (body.length > MOST_BYTES) {
            throw RefineProblem.tooLong(MOST_BYTES);
        }
        requireJson(request.getHeader(HttpHeaders.CONTENT_TYPE), body);
        JsonNode read = read(body);
        if (read.isMissingNode() || read.isNull()) {
            return STRICT.createObjectNode();
        }
        if (read instanceof ObjectNode object) {
            return object;
        }
        throw RefineProblem.invalid("The body is not a JSON object.");
    }

    /** Refuses forms above all, whose fields look like a query. Core itself makes JSON of what has no type, on .json. */
    private static void requireJson(String type, byte[] body) throws HttpMediaTypeNotSupportedException {
        boolean nothing = type == null && body.length == 0;
        if (!nothing && !MediaType.APPLICATION_JSON.includes(parsed(type))) {
            throw new HttpMediaTypeNotSupportedException(parsed(type), List.of(MediaType.APPLICATION_JSON));
        }
    }

    private static MediaType parsed(String type) {
        try {
            return type == null ? MediaType.APPLICATION_OCTET_STREAM : MediaType.parseMediaType(type);
        } catch (InvalidMediaTypeException unreadable) {
            return MediaType.APPLICATION_OCTET_STREAM;
        }
    }

    private static JsonNode read(byte[] body) {
        try {
            return STRICT.readTree(body);
        } catch (IOException unreadable) {
            throw RefineProblem.invalid("The body is not JSON, or names an option more than once.");
        }
    }
}
