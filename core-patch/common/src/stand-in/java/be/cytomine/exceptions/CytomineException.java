package be.cytomine.exceptions;

/** Stands for the base of Core's refusals. */
public abstract class CytomineException extends RuntimeException {

    /** The HTTP status. */
    public final int code;

    protected CytomineException(String message, int code) {
        super(message);
        this.code = code;
    }
}
