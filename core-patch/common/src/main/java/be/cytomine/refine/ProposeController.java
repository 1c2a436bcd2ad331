package be.cytomine.refine;

import jakarta.servlet.http.HttpServletRequest;
import jakarta.servlet.http.HttpServletResponse;
import java.io.IOException;
import java.time.Duration;
import org.springframework.beans.factory.annotation.Qualifier;
import org.springframework.http.HttpStatus;
import org.springframework.web.HttpMediaTypeNotSupportedException;
import org.springframework.web.bind.annotation.PathVariable;
import org.springframework.web.bind.annotation.PostMapping;
import org.springframework.web.bind.annotation.RequestMapping;
import org.springframework.web.bind.annotation.RestController;

/**
 * Lets the refine service propose objects on an image, to whoever may see it. The service looks at the image with the
 * caller's own token; nothing is written.
 *
 * <p>The request keeps its thread, and because Core leaves open-in-view on maybe a connection to the database, as long as
 * the search goes on; a line of its own bounds how many do so, so that refines always find a place.
 */
@RestController
@RequestMapping("/api")
class ProposeController {

    private static final Duration BEAT = Duration.ofSeconds(1);

    private final RefineRights rights;
    private final CallerToken callerToken;
    private final WaitingLine line;
    private final ProposeClient client;

    ProposeController(
            RefineRights rights,
            CallerToken callerToken,
            @Qualifier("proposeLine") WaitingLine line,
            ProposeClient client) {
        this.rights = rights;
        this.callerToken = callerToken;
        this.line = line;
        this.client = client;
    }

    /**
     * Proposes objects: one GeoJSON feature a line, as the service finds them.
     *
     * @param id the image
     * @throws RefineProblem                      it cannot be done; once lines have come, the last line says so instead
     * @throws HttpMediaTypeNotSupportedException the body is not JSON (415, told by Spring)
     * @throws IOException                        the body broke off
     */
    @PostMapping({"/imageinstance/{id}/sam/propose", "/imageinstance/{id}/sam/propose.json"})
    void propose(@PathVariable String id, HttpServletRequest request, HttpServletResponse response)
            throws HttpMediaTypeNotSupportedException, IOException {
        long image = PlainId.of("image", id);
        ProposeQuestion question = ProposeQuestion.of(request);
        String token = callerToken.of(request);
        line.inTurn(() -> {
            rights.requireReadable(image);
            try (StreamedLines lines = client.propose(question.about(image), token)) {
                passOn(lines, response);
            }
            return null;
        });
    }

    private void passOn(StreamedLines lines, HttpServletResponse response) {
        response.setStatus(HttpStatus.OK.value());
        response.setContentType(ProposeClient.TYPE);
        response.setHeader("Cache-Control", "no-store");
        response.setHeader("X-Accel-Buffering", "no"); // the public proxy passes lines on at once, too
        try {
            response.flushBuffer();
            new Proposals(lines, response.getOutputStream(), client.silence(), BEAT).passOn();
        } catch (IOException gone) {
            // The caller went away, so nobody is there to be told; the service is, by the end of its connection.
        }
    }
}
