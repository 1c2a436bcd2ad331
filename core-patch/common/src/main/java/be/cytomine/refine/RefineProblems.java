package be.cytomine.refine;

import org.springframework.core.Ordered;
import org.springframework.core.annotation.Order;
import org.springframework.http.MediaType;
import org.springframework.http.ResponseEntity;
import org.springframework.web.bind.annotation.ControllerAdvice;
import org.springframework.web.bind.annotation.ExceptionHandler;

/** Passes the service's problems on, and tells of our own in the same form. */
@ControllerAdvice
@Order(Ordered.HIGHEST_PRECEDENCE)
class RefineProblems {

    @ExceptionHandler(RefineProblem.class)
    ResponseEntity<String> answer(RefineProblem problem) {
        ResponseEntity.BodyBuilder answer =
                ResponseEntity.status(problem.status()).contentType(MediaType.APPLICATION_PROBLEM_JSON);
        problem.retryAfter().ifPresent(seconds -> answer.header("Retry-After", seconds));
        return answer.body(problem.body());
    }
}
