package be.cytomine.exceptions;

/** Stands for Core's refusal with status 403. */
public class ForbiddenException extends CytomineException {

    public ForbiddenException(String message) {
        super(message, 403);
    }
}
