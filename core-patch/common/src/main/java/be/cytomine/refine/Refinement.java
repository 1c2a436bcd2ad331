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
}
