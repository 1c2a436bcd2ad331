package be.cytomine.domain.image;

import be.cytomine.domain.CytomineDomain;
import be.cytomine.domain.project.Project;
import jakarta.persistence.Entity;
import jakarta.persistence.ManyToOne;

/** Stands for an image in a project. */
@Entity
public class ImageInstance extends CytomineDomain {

    @ManyToOne
    private Project project;

    protected ImageInstance() {}

    public ImageInstance(Project project) {
        this.project = project;
    }

    public CytomineDomain container() {
        return project;
    }
}
