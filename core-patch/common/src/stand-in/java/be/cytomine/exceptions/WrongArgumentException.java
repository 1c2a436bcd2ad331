package be.cytomine.exceptions;

/** Stands for Core's refusal with status 400. */
public class WrongArgumentException extends CytomineException {

    public WrongArgumentException(String message) {
        super(message, 400);
    }
}
