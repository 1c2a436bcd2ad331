package be.cytomine.refine;

import com.fasterxml.jackson.annotation.JsonIgnoreProperties;
import java.util.LinkedHashMap;
import java.util.Map;

/**
 * What a caller may choose; null leaves it to the service.
 *
 * @param keepPoints whether point annotations inside the shape stay
 * @param dryRun     whether nothing is written
 * @param points     {@code auto}, {@code all} or {@code ignore}
 */
@JsonIgnoreProperties(ignoreUnknown = true)
public record RefineOptions(Boolean keepPoints, Boolean dryRun, String points) {

    /** Fills what is not chosen here from {@code other}, which may be null. */
    RefineOptions orElse(RefineOptions other) {
        if (other == null) {
            return this;
        }
        return new RefineOptions(
                keepPoints == null ? other.keepPoints : keepPoints,
                dryRun == null ? other.dryRun : dryRun,
                points == null ? other.points : points);
    }

    /** Gives the body that the service reads. */
    Map<String, Object> forService() {
        Map<String, Object> body = new LinkedHashMap<>();
        putIfChosen(body, "keep_points", keepPoints);
        putIfChosen(body, "dry_run", dryRun);
        putIfChosen(body, "points", points);
        return body;
    }

    private static void putIfChosen(Map<String, Object> body, String name, Object value) {
        if (value != null) {
            body.put(name, value);
        }
    }
}
