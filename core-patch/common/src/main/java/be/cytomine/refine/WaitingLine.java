package be.cytomine.refine;

import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import java.util.function.Supplier;

/**
 * Lets some requests be at work and some more wait, in the order they came; whoever finds the line full, or waits too
 * long, is refused.
 *
 * <p>Everybody here keeps a thread of the server, so both numbers are small beside its threads. Who waits has not asked
 * the database yet, so that only those at work may keep a connection.
 */
class WaitingLine {

    private final String what;
    private final Semaphore inside;
    private final Semaphore places;
    private final long longestWaitMs;

    /**
     * @param what          those in line, as callers call them
     * @param mostAtOnce    at work
     * @param mostWaiting   besides
     * @param longestWaitMs then one is refused
     */
    WaitingLine(String what, int mostAtOnce, int mostWaiting, long longestWaitMs) {
        this.what = what;
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
            throw RefineProblem.busy(what);
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
                throw RefineProblem.busy(what);
            }
        } catch (InterruptedException stopped) {
            Thread.currentThread().interrupt();
            throw RefineProblem.busy(what);
        }
    }
}
