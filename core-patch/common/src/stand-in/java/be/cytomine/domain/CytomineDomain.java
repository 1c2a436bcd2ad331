package be.cytomine.domain;

import jakarta.persistence.GeneratedValue;
import jakarta.persistence.Id;
import jakarta.persistence.MappedSuperclass;

/** Stands for Core's base of everything that has an id. */
@MappedSuperclass
public abstract class CytomineDomain {

    @Id
    @GeneratedValue
    protected Long id;

    public Long getId() {
        return id;
    }
}
