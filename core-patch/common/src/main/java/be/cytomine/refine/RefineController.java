package be.cytomine.refine;

import be.cytomine.utils.JsonObject;
import jakarta.servlet.http.HttpServletRequest;
import java.io.IOException;
import org.springframework.http.MediaType;
import org.springframework.http.ResponseEntity;
import org.springframework.web.HttpMediaTypeNotSupportedException;
import org.springframework.web.bind.annotation.PathVariable;
import org.springframework.web.bind.annotation.PostMapping;
import org.springframework.web.bind.annotation.RequestMapping;
import org.springframework.web.bind.annotation.RestController;

/** Lets the refine service outline an annotation anew. */
@RestController
@RequestMapping("/api")
public class RefineController {

    private final Refiner refiner;

    RefineController(Refiner refiner) {
        this.refiner = refiner;
    }

    /**
     * Refines an annotation.
     *
     * @param id      the annotation
     * @param request options in its query and in its body
     * @return {@code message}, {@code annotation} as a GET would give it, {@code command} (the handle of the undo, or
     *     null) and {@code refinement}, the service's own answer
     */
    @PostMapping({"/annotation/{id}/sam", "/annotation/{id}/sam.json"})
    public ResponseEntity<String> refine(@PathVariable String id, HttpServletRequest request)
            throws HttpMediaTypeNotSupportedException, IOException {
        Refiner.Refined refined = refiner.refine(id, request);
        Refinement refinement = refined.refinement();
        JsonObject answer = JsonObject.of("annotation", refined.annotation());
        answer.put("message", refinement.get("message"));
        answer.put("command", refinement.get("command"));
        answer.put("refinement", refinement.all());
        return ResponseEntity.ok().contentType(MediaType.APPLICATION_JSON).body(answer.toJsonString());
    }
}
