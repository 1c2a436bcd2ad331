package be.cytomine.refine;

import java.io.IOException;
import java.net.http.HttpResponse.BodySubscriber;
import java.net.http.HttpResponse.BodySubscribers;
import java.nio.ByteBuffer;
import java.util.List;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.Flow;

/** Collects the bytes of an answer, up to a limit. */
class BoundedBody implements BodySubscriber<byte[]> {

    /** The answer is longer than allowed. */
    static class TooLong extends IOException {}

    private final BodySubscriber<byte[]> collected = BodySubscribers.ofByteArray();
    private final long mostBytes;
    private Flow.Subscription subscription;
    private long bytes;

    BoundedBody(long mostBytes) {
        this.mostBytes = mostBytes;
    }

    @Override
    public CompletionStage<byte[]> getBody() {
        return collected.getBody();
    }

    @Override
    public void onSubscribe(Flow.Subscription given) {
        subscription = given;
        collected.onSubscribe(given);
    }

    @Override
    public void onNext(List<ByteBuffer> part) {
        bytes += part.stream().mapToLong(ByteBuffer::remaining).sum();
        if (bytes > mostBytes) {
            subscription.cancel();
            collected.onError(new TooLong());
            return;
        }
        collected.onNext(part);
    }

    @Override
    public void onError(Throwable error) {
        collected.onError(error);
    }

    @Override
    public void onComplete() {
        collected.onComplete();
    }
}
