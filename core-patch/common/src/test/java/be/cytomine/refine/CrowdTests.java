package be.cytomine.refine;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.awaitility.Awaitility.await;

import be.cytomine.domain.project.Project;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.stream.IntStream;
import org.apache.tomcat.util.threads.ThreadPoolExecutor;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.springframework.beans.factory.annotation.Autowired;
import org.springframework.boot.web.embedded.tomcat.TomcatWebServer;
import org.springframework.boot.web.servlet.context.ServletWebServerApplicationContext;
import org.springframework.context.annotation.Import;
import org.springframework.web.bind.annotation.GetMapping;
import org.springframework.web.bind.annotation.RestController;

/** Many people at once: a class is served, a crowd is told when to come again, and Core goes on with other work. */
@Import(CrowdTests.OtherWork.class)
class CrowdTests extends ServerLab {

    private static final int AT_WORK = 6;
    private static final int WAITING = 24;
    private static final Duration PATIENCE = Duration.ofMinutes(3);

    private final CountDownLatch service = new CountDownLatch(1);

    @Autowired
    private ServletWebServerApplicationContext context;

    /** Stands for the rest of Core: it asks the database. */
    @RestController
    static class OtherWork {

        @Autowired
        private jakarta.persistence.EntityManager entityManager;

        @GetMapping("/api/count.json")
        long count() {
            return (long) entityManager.createQuery("select count(*) from UserAnnotation").getSingleResult();
        }
    }

    private List<CompletableFuture<HttpResponse<String>>> answers = List.of();

    @AfterEach
    void everybodyLeaves() {
        service.countDown();
        answers.forEach(CompletableFuture::join);
    }

    private void press(int people) {
        Long id = annotation(Project.Mode.CLASSIC);
        whenAsked(() -> {
            try {
                service.await();
            } catch (InterruptedException stopped) {
                Thread.currentThread().interrupt();
            }
        });
        answers = IntStream.range(0, people)
                .mapToObj(each -> request("/api/annotation/" + id + "/sam", "Bearer owner"))
                .map(request -> HTTP.sendAsync(request.build(), BodyHandlers.ofString()))
                .toList();
    }

    private int requestsInside() {
        TomcatWebServer server = (TomcatWebServer) context.getWebServer();
        return ((ThreadPoolExecutor) server.getTomcat().getConnector().getProtocolHandler().getExecutor())
                .getActiveCount();
    }

    @Test
    void aClassOfSixteenIsServed() {
        press(16);
        await().atMost(PATIENCE).until(() -> requestsInside() == 16 || answers.stream().anyMatch(CompletableFuture::isDone));
        service.countDown();
        assertThat(answers).allSatisfy(each -> assertThat(each.join().statusCode()).isEqualTo(200));
        askedTimes(16);
    }

    @Test
    void aCrowdOfTwoHundredIsBounded() throws Exception {
        press(200);
        int refused = 200 - AT_WORK - WAITING;
        await().atMost(PATIENCE)
                .until(() -> answers.stream().filter(CompletableFuture::isDone).count() == refused);
        assertThat(answers.stream().filter(CompletableFuture::isDone).map(CompletableFuture::join))
                .allSatisfy(each -> {
                    assertThat(each.statusCode()).isEqualTo(503);
                    assertThat(each.headers().firstValue("Retry-After")).isPresent();
                    assertThat(each.body()).contains("urn:cytomine-refine:core-busy");
                });
        assertThat(ask(request("/api/count.json", "Bearer owner").GET()).body()).isEqualTo("1");
        service.countDown();
        assertThat(answers.stream().map(CompletableFuture::join).filter(each -> each.statusCode() == 200))
                .hasSize(AT_WORK + WAITING);
        askedTimes(AT_WORK + WAITING);
    }

    @Test
    void nobodyWaitsForEver() throws Exception {
        WaitingLine line = new WaitingLine("refines", 1, 1, 50);
        line.inTurn(() -> {
            assertThatThrownBy(() -> CompletableFuture.supplyAsync(() -> line.inTurn(() -> "turn")).join())
                    .hasCauseInstanceOf(RefineProblem.class);
            return "done";
        });
        assertThat(line.inTurn(() -> "turn")).isEqualTo("turn");
    }

    @Test
    void whoWaitsIsServedInTheOrderOfComing() {
        WaitingLine line = new WaitingLine("refines", 1, 3, 300_000);
        List<String> served = new java.util.concurrent.CopyOnWriteArrayList<>();
        CountDownLatch first = new CountDownLatch(1);
        Thread holder = new Thread(() -> line.inTurn(() -> {
            try {
                first.await();
            } catch (InterruptedException stopped) {
                Thread.currentThread().interrupt();
            }
            return null;
        }));
        List<Thread> all = new java.util.ArrayList<>(List.of(holder));
        begin(holder);
        for (String name : List.of("a", "b", "c")) {
            Thread next = new Thread(() -> line.inTurn(() -> served.add(name)));
            begin(next);
            all.add(next);
        }
        first.countDown();
        await().atMost(PATIENCE).until(() -> all.stream().noneMatch(Thread::isAlive));
        assertThat(served).containsExactly("a", "b", "c");
    }

    private static void begin(Thread thread) {
        thread.start();
        await().atMost(PATIENCE)
                .until(() -> List.of(Thread.State.WAITING, Thread.State.TIMED_WAITING).contains(thread.getState()));
    }
}
