package be.cytomine.exceptions;

/** Stands for Core's refusal with status 404. */
public class ObjectNotFoundException extends CytomineException {

    public ObjectNotFoundException(String message) {
        super(message, 404);
    }
}
