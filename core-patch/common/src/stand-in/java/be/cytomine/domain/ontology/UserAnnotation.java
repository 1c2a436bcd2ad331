package be.cytomine.domain.ontology;

import be.cytomine.domain.project.Project;
import be.cytomine.domain.security.SecUser;
import jakarta.persistence.Entity;
import jakarta.persistence.ManyToOne;
import java.util.Date;

/** Stands for an annotation that a user drew. */
@Entity
public class UserAnnotation extends AnnotationDomain {

    @ManyToOne
    private SecUser owner;

    protected UserAnnotation() {}

    public UserAnnotation(Project project, SecUser owner, String wkt) {
        this.project = project;
        this.owner = owner;
        this.wkt = wkt;
    }

    public SecUser getUser() {
        return owner;
    }

    /** Edits it, as Core's auditing does: with another time than before. */
    public void move(String location) {
        wkt = location;
        updated = new Date(updated.getTime() + 1);
    }
}
