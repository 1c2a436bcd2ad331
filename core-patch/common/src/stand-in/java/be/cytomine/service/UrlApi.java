package be.cytomine.service;

import org.springframework.stereotype.Component;

/** Stands for what the Core of 2026 makes addresses with. */
@Component
public class UrlApi {

    public String annotation(Long id) {
        return "https://cytomine.example/annotation/" + id;
    }
}
