using System.Diagnostics;
using System.Runtime.InteropServices;

namespace Bitflow.Bench.Load;

/// <summary>
/// The asking side: any number of clients on the calling thread and one epoll. Every answer is checked in every run (who answered, and the
/// question's number; bytes where the exchange compares them); one wrong or lost answer ends the run as broken.
/// </summary>
internal sealed unsafe class Clients : IDisposable
{
    private const int BufferBytes = Pattern.MaximumBytes;
    private const int MaximumEvents = 256;
    private const int MaximumOpening = 64;

    /// <summary>How long a turn waits at most, so that a broken run is noticed.</summary>
    private const long TurnNanoseconds = 100_000_000;

    private readonly Plan plan;
    private readonly int epoll = Kernel.Checked(Kernel.EpollCreate(Kernel.CloseOnExec), "epoll_create1");
    private readonly byte* buffer = (byte*)NativeMemory.Alloc(BufferBytes);
    private readonly byte* question;
    private readonly List<Client> clients = [];
    private readonly Stack<Client> free = new();
    private readonly Stack<nint> sessions = new();
    private double[] latencies = [];
    private int begun;
    private int finished;
    private int resumed;
    private int limit;
    private int answered;
    private long broken;

    public Clients(Plan plan)
    {
        this.plan = plan;
        question = (byte*)NativeMemory.Alloc((nuint)plan.Exchange.Question.Length);
        plan.Exchange.Question.CopyTo(new Span<byte>(question, plan.Exchange.Question.Length));
        // A paced run must wake when a unit is due, not up to 50 us later.
        _ = Kernel.ProcessControl(Kernel.SetTimerSlack, 1, 0, 0, 0);
    }

    /// <summary>
    /// Opens connections until there are so many, and has each exchange once; they stay open. Where each exchange has its own connection this
    /// only gets the sessions that are to be resumed.
    /// </summary>
    public void Open(int count)
    {
        if (plan.ConnectsEach)
        {
            while (clients.Count < count)
                free.Push(Add());
            if (plan.Resumes)
                Go(count, 0);
            return;
        }
        Prepare(count - clients.Count);
        // Not all at once: a proxy's backlog is not what is measured.
        while (finished < limit)
        {
            while (begun < limit && begun - finished < MaximumOpening)
                Begin(Add(), Stopwatch.GetTimestamp());
            Turn(TurnNanoseconds);
        }
    }

    /// <summary>Has so many exchanges: fixed work, so that proxies are compared over the same number of the same units.</summary>
    /// <param name="units">How many; with <see cref="Plan.ConnectsEach"/> also connections.</param>
    /// <param name="perSecond">
    /// Units a second, begun at random moments of a fixed sequence whatever became of those before; 0 begins a unit as soon as a client is free.
    /// </param>
    public Run Go(int units, double perSecond)
    {
        Prepare(units);
        int resumedBefore = resumed;
        long started = Stopwatch.GetTimestamp();
        if (perSecond > 0)
            Pace(started, perSecond);
        else
            Flood();
        double seconds = Stopwatch.GetElapsedTime(started).TotalSeconds;
        double[] sorted = latencies;
        Array.Sort(sorted);
        return new Run(seconds, sorted, resumed - resumedBefore);
    }

    public void Dispose()
    {
        foreach (Client client in clients)
            client.Stream.Close();
        while (sessions.TryPop(out nint session))
            OpenSsl.SSL_SESSION_free(session);
        _ = Kernel.Close(epoll);
        NativeMemory.Free(buffer);
        NativeMemory.Free(question);
    }

    private Client Add()
    {
        var client = new Client { Index = clients.Count };
        clients.Add(client);
        return client;
    }

    private void Prepare(int units)
    {
        latencies = new double[units];
        begun = 0;
        finished = 0;
        answered = 0;
        limit = units;
        broken = Stopwatch.GetTimestamp() + (long)(plan.Limit.TotalSeconds * Stopwatch.Frequency);
    }

    private void Flood()
    {
        while (finished < limit)
        {
            while (begun < limit && free.TryPop(out Client? client))
                Begin(client, Stopwatch.GetTimestamp());
            Turn(TurnNanoseconds);
        }
    }

    private void Pace(long started, double perSecond)
    {
        // The same moments for every proxy and every round.
        var random = new Random(20_11);
        double gap = Stopwatch.Frequency / perSecond;
        double due = started + gap;
        while (finished < limit)
        {
            long wait = TurnNanoseconds;
            while (begun < limit)
            {
                long now = Stopwatch.GetTimestamp();
                if (now < due)
                {
                    wait = (long)(due - now) * 1_000_000_000L / Stopwatch.Frequency;
                    break;
                }
                if (!free.TryPop(out Client? client))
                    break;
                Begin(client, (long)due);
                due -= gap * Math.Log(1 - random.NextDouble());
            }
            Turn(wait);
        }
    }

    private void Turn(long nanoseconds)
    {
        Kernel.Event* events = stackalloc Kernel.Event[MaximumEvents];
        int ready = Kernel.Wait(epoll, events, MaximumEvents, nanoseconds);
        for (int i = 0; i < ready; i++)
        {
            Client client = clients[(int)(uint)events[i].Data];
            // An edge of a descriptor that has since been closed and used again.
            if (client.Generation == (uint)(events[i].Data >> 32))
                Advance(client);
        }
        if (Stopwatch.GetTimestamp() > broken)
        {
            throw new BenchException(
                $"{finished:N0} of {limit:N0} units were done after {plan.Limit.TotalSeconds:N0} s ({begun:N0} begun)");
        }
    }

    private void Begin(Client client, long due)
    {
        begun++;
        client.Due = due;
        client.Sent = 0;
        client.Received = 0;
        if (client.Stream.Descriptor > 0)
        {
            client.Step = Step.Exchanging;
        }
        else
        {
            client.Stream = Stream.Connect(plan.Port);
            if (plan.Tls is not null)
            {
                nint session = plan.Resumes && sessions.TryPop(out nint kept) ? kept : 0;
                client.Stream.Tls = plan.Tls.Open(client.Stream.Descriptor, plan.ServerName, session);
                if (session != 0)
                    OpenSsl.SSL_SESSION_free(session);
            }
            client.Step = Step.Connecting;
            client.Generation++;
            Kernel.Watch(epoll, client.Stream.Descriptor, (uint)client.Index | ((ulong)client.Generation << 32));
        }
        Advance(client);
    }

    private void Advance(Client client)
    {
        while (true)
        {
            switch (client.Step)
            {
                case Step.Connecting:
                    // Sending into a connection that is not there yet answers EAGAIN, as a full one does.
                    int shaken = client.Stream.Handshake();
                    if (shaken == Stream.Later)
                        return;
                    if (shaken <= 0)
                        throw new BenchException("a TLS handshake failed, or the connection was refused");
                    client.Step = Step.Exchanging;
                    break;
                case Step.Exchanging:
                    if (!Ask(client) || !Hear(client))
                        return;
                    Complete(client);
                    break;
                case Step.Ending:
                    if (!AwaitEnd(client))
                        return;
                    Finish(client);
                    return;
                default:
                    return;
            }
        }
    }

    private bool Ask(Client client)
    {
        int length = plan.Exchange.Question.Length;
        while (client.Sent < length + plan.Exchange.UploadBytes)
        {
            int sent;
            if (client.Sent < length)
            {
                sent = client.Stream.Send(question + client.Sent, length - (int)client.Sent);
            }
            else
            {
                long offset = client.Sent - length;
                sent = client.Stream.Send(
                    Pattern.At(offset), (int)Math.Min(plan.Exchange.UploadBytes - offset, Pattern.MaximumBytes));
            }
            if (sent == Stream.Later)
                return false;
            if (sent <= 0)
                throw new BenchException("a connection was refused or reset while asking");
            client.Sent += sent;
        }
        return true;
    }

    /// <summary>Whether the whole answer is there.</summary>
    private bool Hear(Client client)
    {
        Exchange exchange = plan.Exchange;
        while (client.Received < exchange.AnswerLength)
        {
            int room = (int)Math.Min(exchange.AnswerLength - client.Received, BufferBytes);
            bool discards = exchange.IsDownload && !exchange.Compares;
            int count = discards
                ? client.Stream.Discard(buffer, client.Stream.Tls == 0 ? (int)Math.Min(exchange.AnswerLength - client.Received, 4 << 20) : room)
                : client.Stream.Receive(buffer, room);
            if (count == Stream.Later)
                return false;
            if (count <= 0)
                throw new BenchException($"a connection ended after {client.Received:N0} of {exchange.AnswerLength:N0} bytes of an answer");
            if (exchange.IsDownload)
            {
                if (exchange.Compares && !Pattern.Holds(buffer, count, client.Received))
                    throw new BenchException($"bytes near {client.Received:N0} of a download are not those that were sent");
            }
            else if (client.Received < Exchange.FrameBytes)
            {
                int opening = (int)Math.Min(count, Exchange.FrameBytes - client.Received);
                fixed (Answer* answer = &client.Answer)
                    Buffer.MemoryCopy(buffer, (byte*)answer + client.Received, Exchange.FrameBytes, opening);
            }
            client.Received += count;
        }
        return true;
    }

    private void Complete(Client client)
    {
        latencies[answered++] = (Stopwatch.GetTimestamp() - client.Due) * 1e6 / Stopwatch.Frequency;
        Verify(client);
        if (!plan.ConnectsEach)
        {
            Finish(client);
            return;
        }
        if (client.Stream.Tls != 0)
        {
            if (OpenSsl.SSL_session_reused(client.Stream.Tls) == 1)
                resumed++;
            if (plan.Resumes)
                Keep(OpenSsl.SSL_get1_session(client.Stream.Tls));
        }
        client.Stream.End();
        client.Step = Step.Ending;
    }

    private void Finish(Client client)
    {
        finished++;
        client.Step = Step.Free;
        free.Push(client);
    }

    private void Keep(nint session)
    {
        if (session == 0)
            return;
        if (OpenSsl.SSL_SESSION_is_resumable(session) == 1 && sessions.Count < plan.Clients)
            sessions.Push(session);
        else
            OpenSsl.SSL_SESSION_free(session);
    }

    private void Verify(Client client)
    {
        Exchange exchange = plan.Exchange;
        if (exchange.IsDownload)
            return;
        Answer answer = client.Answer;
        if (answer.Verdict != Answer.Good || answer.Number != exchange.Number)
            throw new BenchException("an answer says that the question arrived mangled");
        if (answer.Target != plan.ExpectedTarget)
            throw new BenchException($"target {(char)answer.Target} answered in place of {(char)plan.ExpectedTarget}");
        if (answer.Header != plan.ExpectedHeader)
            throw new BenchException($"the target saw PROXY header version {answer.Header} in place of {plan.ExpectedHeader}");
        if (exchange.Compares && answer.Header != 0 && answer.HeaderPort != client.Stream.LocalPort)
            throw new BenchException($"the PROXY header says port {answer.HeaderPort}; the client has {client.Stream.LocalPort}");
    }

    /// <summary>Whether the other side has ended too. What it still sends (tickets, close_notify) is of no interest.</summary>
    private static bool AwaitEnd(Client client)
    {
        while (true)
        {
            int count = (int)Kernel.Receive(client.Stream.Descriptor, null, BufferBytes, Kernel.Truncate);
            if (count < 0 && Marshal.GetLastPInvokeError() == Kernel.Again)
                return false;
            if (count > 0)
                continue;
            client.Stream.Close();
            return true;
        }
    }

    private enum Step
    {
        Free,
        Connecting,
        Exchanging,
        Ending,
    }

    private sealed class Client
    {
        public required int Index { get; init; }
        public Stream Stream;
        public Step Step;
        public uint Generation;
        public long Due;
        public long Sent;
        public long Received;
        public Answer Answer;
    }
}
