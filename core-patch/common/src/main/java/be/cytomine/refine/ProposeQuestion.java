package be.cytomine.refine;

import com.fasterxml.jackson.databind.node.ObjectNode;
import jakarta.servlet.http.HttpServletRequest;
import java.io.IOException;
import java.util.List;
import org.springframework.web.HttpMediaTypeNotSupportedException;

/**
 * Where to look for objects, and for which. What is not understood is refused; the service checks the values.
 *
 * @param members by the service's names
 */
record ProposeQuestion(ObjectNode members) {

    private static final List<String> NAMES = List.of(
            "geometry", "annotation_id", "like", "unlike", "limit", "min_confidence", "detail", "outline");

    /**
     * Reads the question in the body of a request.
     *
     * @throws RefineProblem                      it has an unknown member, or one twice, or is not a JSON object (400);
     *                                            it is too long (413)
     * @throws HttpMediaTypeNotSupportedException it is not JSON (415)
     * @throws IOException                        it broke off
     */
    static ProposeQuestion of(HttpServletRequest request) throws HttpMediaTypeNotSupportedException, IOException {
        ObjectNode body = JsonBody.of(request);
        body.fieldNames().forEachRemaining(ProposeQuestion::known);
        request.getParameterMap().keySet().stream()
                .filter(name -> !JsonBody.CREDENTIALS.contains(name))
                .forEach(ProposeQuestion::refuse);
        return new ProposeQuestion(body);
    }

    private static void known(String name) {
        if (!NAMES.contains(name)) {
            throw RefineProblem.invalid("There is no option " + name + ". The options are " + String.join(", ", NAMES) + ".");
        }
    }

    private static void refuse(String name) {
        known(name);
        throw RefineProblem.invalid("The option " + name + " belongs in the body.");
    }

    /** Gives the body that the service reads. */
    ObjectNode about(long image) {
        return members.deepCopy().put("image_id", image);
    }
}
