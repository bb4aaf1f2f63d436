using System.Net;
using System.Net.Sockets;
using Bitflow.Domain;
using Bitflow.Net.Linux;
using Xunit;

namespace Bitflow.Tests.Transport;

/// <summary>A socket that another holds too, who takes O_NONBLOCK off it, as a service manager does before it starts another program with it.</summary>
public sealed class SharedSocketTests
{
    [Theory]
    [InlineData(Family.Tcp4)]
    [InlineData(Family.Unix)]
    public async Task Nothing_waits_on_it_for_a_client_for_bytes_or_for_room(Family family)
    {
        using Socket listener = Wire.NewSocket(family);
        listener.Bind(family == Family.Unix ? new UnixDomainSocketEndPoint("\0" + Guid.NewGuid().ToString("N")) : new IPEndPoint(IPAddress.Loopback, 0));
        listener.Listen(1);
        SharedSocket.NeverWaits((int)listener.Handle);
        listener.Blocking = true;
        Assert.Equal(-Errno.EAGAIN, await OnAnotherThread(() => Libc.Accept((int)listener.Handle, new byte[128], out _)));
        using Socket ours = Wire.NewSocket(family);
        ours.Connect(listener.LocalEndPoint!);
        Assert.True(listener.Poll(Wire.Patience, SelectMode.SelectRead));
        using Socket peer = listener.Accept();
        SharedSocket.NeverWaits((int)ours.Handle);
        ours.Blocking = true;
        byte[] buffer = new byte[1_000_000];
        Assert.Equal(-Errno.EAGAIN, await OnAnotherThread(() => Libc.Receive((int)ours.Handle, buffer, flags: 0)));

        // Until the peer takes no more.
        Assert.Equal(-Errno.EAGAIN, await OnAnotherThread(() =>
        {
            int written;
            do
            {
                written = Libc.Send((int)ours.Handle, buffer, flags: 0);
            }
            while (written > 0);
            return written;
        }));
    }

    /// <summary>SO_LINGER with a time, of a listener and so of what it accepts, would keep whoever closes for as long.</summary>
    [Fact]
    public void Nobody_who_closes_waits_for_what_is_unsent()
    {
        using Socket listener = Wire.NewSocket(Family.Tcp4);
        listener.LingerState = new LingerOption(true, 30);
        SharedSocket.NeverWaits((int)listener.Handle);
        Assert.False(listener.LingerState!.Enabled);
    }

    /// <summary>O_NONBLOCK is the open file's, whoever holds it: another who serves with it would wait for a client with all of his.</summary>
    [Fact]
    public void A_listener_is_given_back_with_its_options_as_they_were_and_nobody_waits_who_did_not()
    {
        using Socket listener = Wire.NewSocket(Family.Tcp4);
        int descriptor = (int)listener.Handle;
        byte[] timeout = Libc.GetOption(descriptor, Libc.SoReceiveTimeout);
        byte[][] before = SharedSocket.NeverWaits(descriptor);
        listener.Blocking = false;
        Assert.NotEqual(timeout, Libc.GetOption(descriptor, Libc.SoReceiveTimeout));
        SharedSocket.GiveBack(descriptor, before);
        Assert.NotEqual(0, Libc.Fcntl(descriptor, Libc.FGetFl, 0) & Libc.NonBlocking);
        Assert.Equal(timeout, Libc.GetOption(descriptor, Libc.SoReceiveTimeout));
    }

    private static Task<int> OnAnotherThread(Func<int> call) => Task.Factory.StartNew(call, TaskCreationOptions.LongRunning).WaitAsync(Wire.Patience);
}
