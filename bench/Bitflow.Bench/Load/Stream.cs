using System.Runtime.InteropServices;

namespace Bitflow.Bench.Load;

/// <summary>A connected, non-blocking stream with or without TLS. Calls answer a count, <see cref="Later"/>, or <see cref="Broken"/>.</summary>
internal unsafe struct Stream
{
    /// <summary>The call would block: wait for an edge.</summary>
    public const int Later = -1;

    /// <summary>The stream is of no more use.</summary>
    public const int Broken = -2;

    public int Descriptor;
    public nint Tls;

    /// <summary>Begins to connect to a port of 127.0.0.1.</summary>
    public static Stream Connect(int port)
    {
        int descriptor = Kernel.Checked(
            Kernel.Socket(Kernel.AfInet, Kernel.SockStream | Kernel.NonBlocking | Kernel.CloseOnExec, 0), "socket");
        Kernel.NoDelay(descriptor);
        var address = Kernel.Address4.Loopback(port);
        if (Kernel.Connect(descriptor, &address, sizeof(Kernel.Address4)) != 0
            && Marshal.GetLastPInvokeError() != Kernel.InProgress)
        {
            int error = Marshal.GetLastPInvokeError();
            Kernel.Close(descriptor);
            throw new BenchException($"connect to port {port} failed with errno {error}");
        }
        return new Stream { Descriptor = descriptor };
    }

    public readonly int LocalPort
    {
        get
        {
            Kernel.Address4 address;
            int length = sizeof(Kernel.Address4);
            Kernel.Checked(Kernel.LocalAddress(Descriptor, &address, &length), "getsockname");
            return address.HostPort;
        }
    }

    public readonly int Handshake() => Tls == 0 ? 1 : TlsAnswer(OpenSsl.SSL_connect(Tls));

    public readonly int Receive(byte* buffer, int length)
    {
        if (Tls != 0)
            return TlsAnswer(OpenSsl.SSL_read(Tls, buffer, length));
        return Answer(Kernel.Receive(Descriptor, buffer, length, 0));
    }

    /// <summary>Receives and throws away: for plain TCP the kernel does not even copy.</summary>
    public readonly int Discard(byte* scratch, int length)
    {
        if (Tls != 0)
            return TlsAnswer(OpenSsl.SSL_read(Tls, scratch, length));
        return Answer(Kernel.Receive(Descriptor, null, length, Kernel.Truncate));
    }

    public readonly int Send(byte* buffer, int length)
    {
        if (Tls != 0)
            return TlsAnswer(OpenSsl.SSL_write(Tls, buffer, length));
        return Answer(Kernel.Send(Descriptor, buffer, length, Kernel.NoSignal));
    }

    /// <summary>Ends the sending direction in the way of the protocol.</summary>
    public readonly void End()
    {
        if (Tls != 0)
            _ = OpenSsl.SSL_shutdown(Tls);
        _ = Kernel.Shutdown(Descriptor, Kernel.ShutWrite);
    }

    public void Close()
    {
        if (Descriptor <= 0)
            return;
        if (Tls != 0)
            OpenSsl.SSL_free(Tls);
        _ = Kernel.Close(Descriptor);
        Tls = 0;
        Descriptor = 0;
    }

    private static int Answer(nint count)
    {
        if (count >= 0)
            return (int)count;
        return Marshal.GetLastPInvokeError() == Kernel.Again ? Later : Broken;
    }

    private readonly int TlsAnswer(int count)
    {
        if (count > 0)
            return count;
        int error = OpenSsl.SSL_get_error(Tls, count);
        if (error is OpenSsl.WantRead or OpenSsl.WantWrite)
            return Later;
        OpenSsl.ERR_clear_error();
        return error == OpenSsl.ZeroReturn ? 0 : Broken;
    }
}
