package be.cytomine.refine;

import be.cytomine.domain.ontology.UserAnnotation;
import be.cytomine.utils.JsonObject;
import jakarta.persistence.EntityManager;
import jakarta.servlet.http.HttpServletRequest;
import java.io.IOException;
import org.springframework.beans.factory.annotation.Qualifier;
import org.springframework.stereotype.Component;
import org.springframework.web.HttpMediaTypeNotSupportedException;

/**
 * Has an annotation refined: rights first, then the service, then the annotation is read anew.
 *
 * <p>The service reads and writes through this Core with the caller's own token, so every rule of an update holds
 * there too, and the undo is the caller's.
 */
@Component
class Refiner {

    private final RefineRights rights;
    private final CallerToken callerToken;
    private final WaitingLine line;
    private final RefineClient client;
    private final AnnotationJson annotationJson;
    private final EntityManager entityManager;

    Refiner(
            RefineRights rights,
            CallerToken callerToken,
            @Qualifier("refineLine") WaitingLine line,
            RefineClient client,
            AnnotationJson annotationJson,
            EntityManager entityManager) {
        this.rights = rights;
        this.callerToken = callerToken;
        this.line = line;
        this.client = client;
        this.annotationJson = annotationJson;
        this.entityManager = entityManager;
    }

    /**
     * What became of a refine.
     *
     * @param annotation the annotation, as a GET gives it
     * @param refinement the service's answer
     */
    record Refined(JsonObject annotation, Refinement refinement) {}

    /**
     * Refines an annotation.
     *
     * <p>While the service works, this request keeps its thread and, because Core leaves open-in-view on, maybe a
     * connection to the database; {@link WaitingLine} bounds how many do so at a time.
     *
     * <p>A preview costs Core the check of the rights: where nothing was written, nothing is read anew.
     *
     * @param id      the annotation's id, as the path has it
     * @param request options in its query and in its body
     * @throws RefineProblem                      it cannot be done, or was not done
     * @throws HttpMediaTypeNotSupportedException the body is not JSON (415, told by Spring)
     * @throws IOException                        the body broke off
     */
    Refined refine(String id, HttpServletRequest request) throws HttpMediaTypeNotSupportedException, IOException {
        long since = System.nanoTime();
        long annotation = PlainId.of("annotation", id);
        RefineOptions options = RefineOptions.of(request);
        String token = callerToken.of(request);
        return line.inTurn(() -> {
            UserAnnotation before = rights.editable(annotation);
            Refinement refinement = client.refine(annotation, options, token, since);
            if (refinement.mayHaveWritten()) {
                entityManager.detach(before); // the service wrote through another request: it is to be read anew
            }
            return new Refined(annotationJson.of(annotation), refinement);
        });
    }
}
