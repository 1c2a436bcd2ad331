package be.cytomine.refine;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.net.http.HttpResponse.BodySubscriber;
import java.nio.ByteBuffer;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.Flow;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;

/**
 * The lines of an answer as they come. The connection is read only as fast as the lines are taken; {@link #close} closes
 * it, and so tells the one who answers that nobody listens any more.
 */
class StreamedLines implements BodySubscriber<StreamedLines>, AutoCloseable {

    /** What is taken after the last line. */
    static final byte[] END = new byte[0];

    private static final int LONGEST_LINE = 16 * 1024 * 1024;

    /** A part that came, or how it ended. */
    private record Part(byte[] bytes, Throwable failure) {}

    private final BlockingQueue<Part> parts = new LinkedBlockingQueue<>();
    private final ByteArrayOutputStream begun = new ByteArrayOutputStream(); // of a line whose end has not come
    private Flow.Subscription subscription;
    private boolean isClosed;

    @Override
    public CompletionStage<StreamedLines> getBody() {
        return CompletableFuture.completedFuture(this);
    }

    @Override
    public synchronized void onSubscribe(Flow.Subscription given) {
        subscription = given;
        if (isClosed) {
            given.cancel();
        } else {
            given.request(1);
        }
    }

    @Override
    public void onNext(List<ByteBuffer> came) {
        ByteBuffer all = ByteBuffer.allocate(came.stream().mapToInt(ByteBuffer::remaining).sum());
        came.forEach(all::put);
        parts.add(new Part(all.array(), null));
    }

    @Override
    public void onError(Throwable error) {
        parts.add(new Part(END, error));
    }

    @Override
    public void onComplete() {
        parts.add(new Part(END, null));
    }

    /**
     * Waits for whole lines.
     *
     * @param most how long
     * @return one line or several, each with its end; null if none came in that time; {@link #END} after the last
     * @throws IOException the answer broke off, or a line is too long
     */
    byte[] take(Duration most) throws IOException, InterruptedException {
        long until = System.nanoTime() + most.toNanos();
        for (Part part = poll(until); part != null; part = poll(until)) {
            if (part.failure() != null) {
                throw new IOException(part.failure());
            }
            if (part.bytes() == END) {
                return last(part);
            }
            subscription.request(1);
            byte[] lines = wholeLines(part.bytes());
            if (lines.length > 0) {
                return lines;
            }
        }
        return null;
    }

    private Part poll(long until) throws InterruptedException {
        return parts.poll(until - System.nanoTime(), TimeUnit.NANOSECONDS);
    }

    /** Gives a last line without an end its own; what was the end stays the end, however often it is taken. */
    private byte[] last(Part end) {
        parts.add(end);
        if (begun.size() == 0) {
            return END;
        }
        begun.write('\n');
        return taken();
    }

    private byte[] wholeLines(byte[] came) throws IOException {
        int whole = came.length;
        while (whole > 0 && came[whole - 1] != '\n') {
            whole--;
        }
        byte[] lines = new byte[0];
        if (whole > 0) {
            begun.write(came, 0, whole);
            lines = taken();
        }
        begun.write(came, whole, came.length - whole);
        if (begun.size() > LONGEST_LINE) {
            throw new IOException("A line is longer than " + LONGEST_LINE + " bytes.");
        }
        return lines;
    }

    private byte[] taken() {
        byte[] lines = begun.toByteArray();
        begun.reset();
        return lines;
    }

    @Override
    public synchronized void close() {
        isClosed = true;
        if (subscription != null) {
            subscription.cancel();
        }
    }
}
