package be.cytomine.exceptions.handler;

import be.cytomine.exceptions.CytomineException;
import be.cytomine.utils.JsonObject;
import java.util.Map;
import org.springframework.http.MediaType;
import org.springframework.http.ResponseEntity;
import org.springframework.web.bind.annotation.ControllerAdvice;
import org.springframework.web.bind.annotation.ExceptionHandler;
import org.springframework.web.servlet.mvc.method.annotation.ResponseEntityExceptionHandler;

/** Stands for the form that Core gives its refusals. */
@ControllerAdvice
public class ApiExceptionHandler extends ResponseEntityExceptionHandler {

    @ExceptionHandler(CytomineException.class)
    public ResponseEntity<String> refused(CytomineException refusal) {
        JsonObject body = JsonObject.of("errors", Map.of("message", refusal.getMessage()), "errorValues", Map.of());
        return ResponseEntity.status(refusal.code).contentType(MediaType.APPLICATION_JSON).body(body.toJsonString());
    }
}
