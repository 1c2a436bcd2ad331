package be.cytomine.refine;

import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import java.util.function.Supplier;
import org.springframework.beans.factory.annotation.Value;
import org.springframework.stereotype.Component;

/**
 * Lets some refines be at work and some more wait, in the order they came; whoever finds the line full, or waits too
 * long, is refused.
 *
 * <p>Everybody here keeps a thread of the server, so both numbers are small beside its threads. Who waits has not asked
 * the database yet, so that only those at work may keep a connection.
 *
 * <p>Environment: {@code REFINE_MAX_AT_ONCE}, {@code REFINE_MOST_WAITING}, {@code REFINE_WAIT_MS}.
 */
@Component
class WaitingLine {

    private final Semaphore inside;
    private final Semaphore places;
    private final long longestWaitMs;

    WaitingLine(
            @Value("${REFINE_MAX_AT_ONCE:6}") int mostAtOnce,
            @Value("${REFINE_MOST_WAITING:24}") int mostWaiting,
            @Value("${REFINE_WAIT_MS:20000}") long longestWaitMs) {
        this.inside = new Semaphore(mostAtOnce + mostWaiting);
        this.places = new Semaphore(mostAtOnce, true);
        this.longestWaitMs = longestWaitMs;
    }

    /**
     * Does the work when its turn comes.
     *
     * @throws RefineProblem its turn did not come; the work was not begun (503)
     */
    <T> T inTurn(Supplier<T> work) {
        if (!inside.tryAcquire()) {
            throw RefineProblem.busy();
        }
        try {
            takePlace();
            try {
                return work.get();
            } finally {
                places.release();
            }
        } finally {
            inside.release();
        }
    }

    private void takePlace() {
        try {
            if (!places.tryAcquire(longestWaitMs, TimeUnit.MILLISECONDS)) {
                throw RefineProblem.busy();
            }
        } catch (InterruptedException stopped) {
            Thread.currentThread().interrupt();
            throw RefineProblem.busy();
        }
    }
}
