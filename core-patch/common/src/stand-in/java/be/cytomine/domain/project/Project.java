package be.cytomine.domain.project;

import be.cytomine.domain.CytomineDomain;
import jakarta.persistence.ElementCollection;
import jakarta.persistence.Entity;
import jakarta.persistence.EnumType;
import jakarta.persistence.Enumerated;
import jakarta.persistence.FetchType;
import java.util.HashMap;
import java.util.Map;

/** Stands for Core's project; here it knows its members' permission masks itself. */
@Entity
public class Project extends CytomineDomain {

    /** How freely members may edit. */
    public enum Mode {
        CLASSIC,
        RESTRICTED,
        READ_ONLY
    }

    @Enumerated(EnumType.STRING)
    private Mode mode;

    @ElementCollection(fetch = FetchType.EAGER)
    private Map<String, Integer> masks = new HashMap<>();

    protected Project() {}

    public Project(Mode mode, Map<String, Integer> masks) {
        this.mode = mode;
        this.masks.putAll(masks);
    }

    public Mode getMode() {
        return mode;
    }

    public int maskOf(String username) {
        return masks.getOrDefault(username, 0);
    }
}
