package be.cytomine.domain;

import jakarta.persistence.GeneratedValue;
import jakarta.persistence.Id;
import jakarta.persistence.MappedSuperclass;
import java.util.Date;

/** Stands for Core's base of everything that has an id. */
@MappedSuperclass
public abstract class CytomineDomain {

    @Id
    @GeneratedValue
    protected Long id;

    protected Date updated = new Date();

    public Long getId() {
        return id;
    }

    public Date getUpdated() {
        return updated;
    }
}
