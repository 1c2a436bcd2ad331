package be.cytomine.refine;

import java.util.Map;

/**
 * What the service answered.
 *
 * @param all its JSON object, unchanged
 */
record Refinement(Map<String, Object> all) {

    /** Gives one member; null where it is missing. */
    Object get(String name) {
        return all.get(name);
    }

    /** Tells whether the outline may be another now: a preview, and a refine that found nothing, say that it is not. */
    boolean mayHaveWritten() {
        return !Boolean.FALSE.equals(all.get("changed"));
    }
}
