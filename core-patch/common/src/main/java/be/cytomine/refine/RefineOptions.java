package be.cytomine.refine;

import com.fasterxml.jackson.databind.node.ObjectNode;
import jakarta.servlet.http.HttpServletRequest;
import java.io.IOException;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import org.springframework.web.HttpMediaTypeNotSupportedException;

/**
 * What a caller chose. What is not understood is refused, so that nothing is ever written against a wish; the service
 * checks the values.
 *
 * @param chosen value by our name
 */
record RefineOptions(Map<String, Object> chosen) {

    private static final List<String> NAMES = List.of(
            "keepPoints", "dryRun", "points", "holes", "parts", "box", "clicks", "proposal", "detail", "outline", "doubtful", "preview");
    private static final Set<String> FLAGS = Set.of("keepPoints", "dryRun");
    private static final Set<String> IN_BODY = Set.of("box", "clicks", "proposal", "detail", "preview");
    private static final Set<String> YES = Set.of("true", "yes", "on", "1");
    private static final Set<String> NO = Set.of("false", "no", "off", "0");

    /**
     * Reads the options of a request.
     *
     * @param request its query holds options, and maybe credentials; its body is a JSON object, null, or nothing
     * @throws RefineProblem                      something is no option, no value for it, or given twice (400); the body
     *                                            is too long (413)
     * @throws HttpMediaTypeNotSupportedException the body is not JSON (415)
     * @throws IOException                        the body broke off
     */
    static RefineOptions of(HttpServletRequest request) throws HttpMediaTypeNotSupportedException, IOException {
        ObjectNode body = JsonBody.of(request);
        Map<String, Object> chosen = new LinkedHashMap<>();
        request.getParameterMap().forEach((name, values) -> {
            if (!JsonBody.CREDENTIALS.contains(name)) {
                choose(chosen, name, values.length == 1 ? valueOf(name, values[0]) : null);
            }
        });
        body.fields().forEachRemaining(field -> {
            known(field.getKey());
            if (!field.getValue().isNull()) {
                choose(chosen, field.getKey(), field.getValue());
            }
        });
        return new RefineOptions(chosen);
    }

    /** Gives the body that the service reads, with the service's names. */
    Map<String, Object> forService() {
        Map<String, Object> body = new LinkedHashMap<>();
        chosen.forEach((name, value) ->
                body.put(name.replaceAll("([A-Z])", "_$1").toLowerCase(Locale.ROOT), value));
        return body;
    }

    /** Notes a value; null stands for several. */
    private static void choose(Map<String, Object> chosen, String name, Object value) {
        known(name);
        if (value == null || chosen.put(name, value) != null) {
            throw RefineProblem.invalid("The option " + name + " is given more than once.");
        }
    }

    private static void known(String name) {
        if (NAMES.contains(name)) {
            return;
        }
        String meant = NAMES.stream().filter(each -> plain(each).equals(plain(name))).findFirst().orElse(null);
        throw RefineProblem.invalid(
                meant == null
                        ? "There is no option " + name + ". The options are " + String.join(", ", NAMES) + "."
                        : "There is no option " + name + ". Did you mean " + meant + "?");
    }

    private static String plain(String name) {
        return name.replaceAll("[^A-Za-z]", "").toLowerCase(Locale.ROOT);
    }

    private static Object valueOf(String name, String text) {
        String lower = text.toLowerCase(Locale.ROOT);
        if (IN_BODY.contains(name)) {
            throw RefineProblem.invalid("The option " + name + " belongs in the body.");
        }
        if (!FLAGS.contains(name)) {
            return text;
        }
        if (!YES.contains(lower) && !NO.contains(lower)) {
            throw RefineProblem.invalid("The option " + name + " must be true or false.");
        }
        return YES.contains(lower);
    }
}
