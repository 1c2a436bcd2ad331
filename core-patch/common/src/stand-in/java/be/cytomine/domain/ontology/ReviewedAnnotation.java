package be.cytomine.domain.ontology;

import be.cytomine.domain.project.Project;
import jakarta.persistence.Entity;

/** Stands for an annotation that a review has fixed. */
@Entity
public class ReviewedAnnotation extends AnnotationDomain {

    protected ReviewedAnnotation() {}

    public ReviewedAnnotation(Project project, String wkt) {
        this.project = project;
        this.wkt = wkt;
    }
}
