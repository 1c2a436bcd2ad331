package be.cytomine.refine;

import be.cytomine.domain.ontology.UserAnnotation;
import be.cytomine.utils.JsonObject;
import jakarta.persistence.EntityManager;
import jakarta.servlet.http.HttpServletRequest;
import org.springframework.http.MediaType;
import org.springframework.http.ResponseEntity;
import org.springframework.web.bind.annotation.ExceptionHandler;
import org.springframework.web.bind.annotation.PathVariable;
import org.springframework.web.bind.annotation.PostMapping;
import org.springframework.web.bind.annotation.RequestBody;
import org.springframework.web.bind.annotation.RequestMapping;
import org.springframework.web.bind.annotation.RequestParam;
import org.springframework.web.bind.annotation.RestController;

/**
 * Lets the refine service outline an annotation anew: rights first, then the service, then the refreshed annotation.
 *
 * <p>The service reads and writes through this Core with the caller's own token, so every rule of an update holds
 * there too, and the undo is the caller's.
 */
@RestController
@RequestMapping("/api")
public class RefineController {

    private final RefineRights rights;
    private final CallerToken callerToken;
    private final RefineClient client;
    private final AnnotationJson annotationJson;
    private final EntityManager entityManager;

    RefineController(
            RefineRights rights,
            CallerToken callerToken,
            RefineClient client,
            AnnotationJson annotationJson,
            EntityManager entityManager) {
        this.rights = rights;
        this.callerToken = callerToken;
        this.client = client;
        this.annotationJson = annotationJson;
        this.entityManager = entityManager;
    }

    /**
     * Refines an annotation.
     *
     * <p>While the service works, this request keeps its thread and, because Core leaves open-in-view on, maybe a
     * connection to the database; {@link RefineClient} bounds how many do so at a time.
     *
     * @param id   the annotation
     * @param body options; those of the query come first
     * @return {@code message}, {@code annotation} as a GET would give it, {@code command} (the handle of the undo, or
     *     null) and {@code refinement}, the service's own answer
     */
    @PostMapping({"/annotation/{id}/sam", "/annotation/{id}/sam.json"})
    public ResponseEntity<String> refine(
            @PathVariable Long id,
            @RequestParam(required = false) Boolean keepPoints,
            @RequestParam(required = false) Boolean dryRun,
            @RequestParam(required = false) String points,
            @RequestBody(required = false) RefineOptions body,
            HttpServletRequest request) {
        RefineOptions options = new RefineOptions(keepPoints, dryRun, points).orElse(body);
        Refinement refinement = refined(id, options, request);
        JsonObject answer = JsonObject.of("annotation", annotationJson.of(id));
        answer.put("message", refinement.get("message"));
        answer.put("command", refinement.get("command"));
        answer.put("refinement", refinement.all());
        return json(answer);
    }

    /**
     * Refines an annotation and answers in the form of the stock route of 2026.
     *
     * @return the annotation as a GET would give it, and {@code command}
     */
    @PostMapping("/annotation/{id}/refined")
    public ResponseEntity<String> refinedAnnotation(@PathVariable Long id, HttpServletRequest request) {
        Refinement refinement = refined(id, new RefineOptions(null, null, null), request);
        JsonObject answer = annotationJson.of(id);
        answer.put("command", refinement.get("command"));
        return json(answer);
    }

    private Refinement refined(Long id, RefineOptions options, HttpServletRequest request) {
        UserAnnotation annotation = rights.editable(id);
        Refinement refinement = client.refine(id, options, callerToken.of(request));
        entityManager.detach(annotation); // the service wrote through another request: it is to be read anew
        return refinement;
    }

    private static ResponseEntity<String> json(JsonObject answer) {
        return ResponseEntity.ok().contentType(MediaType.APPLICATION_JSON).body(answer.toJsonString());
    }

    /** Passes the service's problems on, and tells of our own in the same form. */
    @ExceptionHandler(RefineProblem.class)
    public ResponseEntity<String> problem(RefineProblem problem) {
        ResponseEntity.BodyBuilder answer =
                ResponseEntity.status(problem.status()).contentType(MediaType.APPLICATION_PROBLEM_JSON);
        problem.retryAfter().ifPresent(seconds -> answer.header("Retry-After", seconds));
        return answer.body(problem.body());
    }
}
