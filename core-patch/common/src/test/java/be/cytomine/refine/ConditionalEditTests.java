package be.cytomine.refine;

import static org.assertj.core.api.Assertions.assertThat;

import be.cytomine.domain.ontology.UserAnnotation;
import be.cytomine.domain.project.Project;
import be.cytomine.exceptions.WrongArgumentException;
import jakarta.persistence.EntityManager;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.springframework.beans.factory.annotation.Autowired;
import org.springframework.context.annotation.Import;
import org.springframework.http.HttpStatus;
import org.springframework.http.ResponseEntity;
import org.springframework.stereotype.Service;
import org.springframework.transaction.annotation.Transactional;
import org.springframework.web.bind.annotation.PathVariable;
import org.springframework.web.bind.annotation.PutMapping;
import org.springframework.web.bind.annotation.RequestBody;
import org.springframework.web.bind.annotation.RestController;

/** Edits that are meant for one state of an annotation: of many at once, one is written. */
@Import({ConditionalEditTests.Editing.class, ConditionalEditTests.StockEdit.class})
class ConditionalEditTests extends ServerLab {

    /** Stands for Core's service: a transaction that an exception undoes. */
    @Service
    @Transactional
    static class Editing {

        @Autowired
        private EntityManager entityManager;

        void move(Long id, String location) {
            UserAnnotation annotation = entityManager.find(UserAnnotation.class, id);
            if (annotation == null) {
                throw new WrongArgumentException("There is no annotation " + id);
            }
            annotation.move(location);
            entityManager.flush();
            if (location.isEmpty()) {
                throw new WrongArgumentException("Annotation location is not valid");
            }
        }
    }

    /** Stands for Core's routes, which turn refusals into answers. */
    @RestController
    static class StockEdit {

        @Autowired
        private Editing editing;

        @PutMapping({"/api/annotation/{id}.json", "/api/userannotation/{id}.json"})
        ResponseEntity<String> edit(@PathVariable Long id, @RequestBody(required = false) String location) {
            try {
                editing.move(id, location == null ? "" : location);
                return ResponseEntity.ok("written");
            } catch (WrongArgumentException refusal) {
                return ResponseEntity.status(HttpStatus.BAD_REQUEST).body(refusal.getMessage());
            }
        }
    }

    private HttpRequest.Builder edit(Object id, String state, String location) {
        HttpRequest.Builder request = request("/api/annotation/" + id + ".json", "Bearer owner")
                .header("Content-Type", "text/plain")
                .PUT(BodyPublishers.ofString(location));
        return state == null ? request : request.header("If-Match", state);
    }

    private String state(Long id) {
        return transaction.execute(
                none -> "\"" + entityManager.find(UserAnnotation.class, id).getUpdated().getTime() + "\"");
    }

    private String location(Long id) {
        return transaction.execute(none -> String.valueOf(
                entityManager.find(UserAnnotation.class, id).toJsonObject().get("location")));
    }

    @Test
    void anEditOfTheStateThatIsIsWritten() throws Exception {
        Long id = annotation(Project.Mode.CLASSIC);
        HttpResponse<String> answer = ask(edit(id, state(id), "moved"));
        assertThat(answer.body()).isEqualTo("written");
        assertThat(answer.statusCode()).isEqualTo(200);
        assertThat(location(id)).isEqualTo("moved");
    }

    @ParameterizedTest
    @ValueSource(strings = {"\"1\"", "*", "\"\"", "\"null\"", "W/\"1\"", "\"1\", \"2\"", "\"99999999999999999999\""})
    void anEditOfAnotherStateIsRefused(String state) throws Exception {
        Long id = annotation(Project.Mode.CLASSIC);
        HttpResponse<String> answer = ask(edit(id, state, "moved"));
        assertThat(answer.statusCode()).isEqualTo(412);
        assertThat(answer.body()).contains("\"success\":false", "The annotation was changed meanwhile.");
        assertThat(location(id)).isEqualTo(BOX);
    }

    @Test
    void withoutAConditionTheRouteIsAsItWas() throws Exception {
        Long id = annotation(Project.Mode.CLASSIC);
        assertThat(ask(edit(id, null, "moved")).statusCode()).isEqualTo(200);
        assertThat(ask(edit(id, null, "")).statusCode()).isEqualTo(400);
        assertThat(location(id)).isEqualTo("moved");
    }

    @Test
    void refusalsOfCoreComeAsTheyAre() throws Exception {
        Long id = annotation(Project.Mode.CLASSIC);
        HttpResponse<String> invalid = ask(edit(id, state(id), ""));
        assertThat(invalid.statusCode()).isEqualTo(400);
        assertThat(invalid.body()).isEqualTo("Annotation location is not valid");
        assertThat(location(id)).isEqualTo(BOX);
        assertThat(ask(edit(999_999, "\"1\"", "moved")).body()).isEqualTo("There is no annotation 999999");
        assertThat(ask(edit("00" + id, state(id), "moved")).statusCode()).isEqualTo(412);
    }

    @Test
    void ofManyAtOnceOneIsWritten() {
        Long id = annotation(Project.Mode.CLASSIC);
        String state = state(id);
        List<CompletableFuture<HttpResponse<String>>> answers = IntStream.range(0, 8)
                .mapToObj(each -> edit(id, state, "moved by " + each))
                .map(request -> HTTP.sendAsync(request.build(), BodyHandlers.ofString()))
                .toList();
        List<Integer> statuses = answers.stream().map(each -> each.join().statusCode()).toList();
        assertThat(statuses).containsOnly(200, 412).filteredOn(each -> each == 200).hasSize(1);
        assertThat(location(id)).isEqualTo("moved by " + statuses.indexOf(200));
    }
}
