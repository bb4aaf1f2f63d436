using System.Net;
using System.Net.Sockets;
using Bitflow.Domain;
using Bitflow.Net.Dialing;
using Bitflow.Net.Transport;
using Bitflow.Tests.Fixtures;
using Xunit;

namespace Bitflow.Tests.Dialing;

/// <summary>Lookups block their caller, so they have threads of their own, few of them, and are shared.</summary>
public sealed class ResolverTests
{
    [Fact]
    public async Task One_lookup_is_in_flight_for_a_name_and_all_that_wait_share_it()
    {
        using var answer = new ManualResetEventSlim();
        int lookups = 0;
        using var resolver = new Resolver(_ =>
        {
            Interlocked.Increment(ref lookups);
            answer.Wait(Eventually.Patience);
            return [IPAddress.Loopback];
        });
        Task<Resolution>[] waiting = [.. Enumerable.Range(0, 100).Select(i => resolver.ResolveAsync(i % 2 == 0 ? "a.example" : "A.Example"))];
        answer.Set();
        foreach (Task<Resolution> one in waiting)
            Assert.Equal([IPAddress.Loopback], (await one.Patiently()).Addresses);
        Assert.Equal(1, lookups);
    }

    [Fact]
    public async Task An_answer_is_never_older_than_the_question()
    {
        int lookups = 0;
        using var resolver = new Resolver(_ => [new IPAddress([127, 0, 0, (byte)Interlocked.Increment(ref lookups)])]);
        for (int i = 1; i <= 5; i++)
            Assert.Equal($"127.0.0.{i}", (await resolver.ResolveAsync("a.example").Patiently()).Addresses[0].ToString());
    }

    [Fact]
    public async Task A_slow_name_holds_up_no_other_until_eight_are_slow_and_never_more_than_eight_run()
    {
        using var answer = new ManualResetEventSlim();
        using var busy = new CountdownEvent(Resolver.MaxThreads);
        int running = 0;
        int most = 0;
        using var resolver = new Resolver(name =>
        {
            int now = Interlocked.Increment(ref running);
            InterlockedMax(ref most, now);
            if (name.StartsWith("slow", StringComparison.Ordinal))
            {
                busy.Signal();
                answer.Wait(Eventually.Patience);
            }

            Interlocked.Decrement(ref running);
            return [IPAddress.Loopback];
        });
        var slow = new List<Task<Resolution>>();
        for (int i = 0; i < Resolver.MaxThreads; i++)
        {
            Assert.Single((await resolver.ResolveAsync($"quick{i}").Patiently()).Addresses);
            slow.Add(resolver.ResolveAsync($"slow{i}"));
        }

        Assert.True(busy.Wait(Eventually.Patience));
        Task<Resolution>[] behind = [.. Enumerable.Range(0, 50).Select(i => resolver.ResolveAsync($"later{i}"))];
        Assert.DoesNotContain(behind, task => task.IsCompleted);
        answer.Set();
        await Task.WhenAll([.. slow, .. behind]).Patiently();
        Assert.Equal(Resolver.MaxThreads, most);

        static void InterlockedMax(ref int target, int value)
        {
            int seen = Volatile.Read(ref target);
            while (seen < value)
            {
                int before = Interlocked.CompareExchange(ref target, value, seen);
                if (before == seen)
                    return;
                seen = before;
            }
        }
    }

    [Theory]
    [InlineData(SocketError.HostNotFound, "no such name, or it has no address")]
    [InlineData(SocketError.NoData, "it has no address")]
    [InlineData(SocketError.TryAgain, "the name server did not answer, or failed")]
    public async Task A_lookup_that_fails_says_why_and_leaves_the_threads_at_work(SocketError error, string words)
    {
        bool fails = true;
        using var resolver = new Resolver(_ => fails ? throw new SocketException((int)error) : [IPAddress.Loopback]);
        Assert.Equal(words, ResolveFaultModule.Describe((await resolver.ResolveAsync("a.example").Patiently()).Fault));
        fails = false;
        Assert.Null((await resolver.ResolveAsync("a.example").Patiently()).Fault);
    }

    [Fact]
    public async Task A_name_that_does_not_resolve_is_told_in_the_same_words_for_a_listener_as_for_a_target()
    {
        // No name server is asked for it: it has an empty label.
        const string name = "a..example";
        using var resolver = new Resolver();
        ResolveFault? ofTarget = (await resolver.ResolveAsync(name).Patiently()).Fault;
        Assert.NotNull(ofTarget);
        ListenException ofListener = Assert.Throws<ListenException>(static () => ListeningSocket.Open(Address.NewTcp(TcpFamily.Either, Host.NewName(name), 0)));
        Assert.Equal(ListenFault.NewNameWithoutAddress(name, ofTarget), ofListener.Fault);
        Assert.Contains(ResolveFaultModule.Describe(ofTarget), ofListener.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_lookup_that_throws_what_nobody_expects_fails_and_leaves_the_threads_at_work()
    {
        using var resolver = new Resolver(name => name == "bad" ? throw new InvalidOperationException("out of order") : [IPAddress.Loopback]);
        for (int i = 0; i < 2 * Resolver.MaxThreads; i++)
            Assert.Equal(ResolveFault.NewOther("out of order"), (await resolver.ResolveAsync("bad").Patiently()).Fault);
        Assert.Null((await resolver.ResolveAsync("good").Patiently()).Fault);
    }

    [Fact]
    public async Task An_IPv4_mapped_address_of_a_name_is_the_IPv4_address()
    {
        using var resolver = new Resolver(static _ => [IPAddress.Parse("::ffff:192.0.2.1"), IPAddress.IPv6Loopback]);
        Assert.Equal([IPAddress.Parse("192.0.2.1"), IPAddress.IPv6Loopback], (await resolver.ResolveAsync("mapped.example").Patiently()).Addresses);
    }

    /// <summary>A limit on tasks may be over by the next connection.</summary>
    [Fact]
    public async Task A_name_that_no_thread_could_be_had_for_is_looked_up_again_when_one_can()
    {
        bool none = true;
        using var resolver = new Resolver(static _ => [IPAddress.Loopback], Start);
        Assert.Equal(ResolveFault.NoThread, (await resolver.ResolveAsync("a.example").Patiently()).Fault);
        none = false;
        Assert.Equal([IPAddress.Loopback], (await resolver.ResolveAsync("a.example").Patiently()).Addresses);

        // With one thread at work, whoever comes when no second can be had waits for the first.
        none = true;
        Assert.Equal([IPAddress.Loopback], (await resolver.ResolveAsync("b.example").Patiently()).Addresses);

        void Start(ThreadStart work)
        {
            if (none)
                throw new InvalidOperationException("no more");
            new Thread(work) { IsBackground = true }.Start();
        }
    }
}
