using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Bitflow.Net.Tls;

/// <summary>
/// The way from the TLS library to the connection beneath (BIO_meth_new(3)): it asks for bytes and hands out records, which are received and sent
/// without waiting.
/// </summary>
internal static unsafe class ConnectionBio
{
    private static readonly nint Method = Make();

    /// <summary>One that asks this link, for as long as the handle lives.</summary>
    /// <returns>Zero where the library has no memory.</returns>
    public static nint New(GCHandle link)
    {
        nint bio = Method == 0 ? 0 : OpenSsl.NewBio(Method);
        if (bio == 0)
            return 0;
        OpenSsl.SetBioData(bio, GCHandle.ToIntPtr(link));
        OpenSsl.SetBioReady(bio, 1);
        return bio;
    }

    /// <summary>
    /// Nothing is held back, so that flushing has nothing to do, and of the rest there is nothing: that is how the library's own `BIO_s_null` answers.
    /// </summary>
    private static nint Make()
    {
        fixed (byte* name = "bitflow connection\0"u8)
        {
            nint method = OpenSsl.NewBioMethod(OpenSsl.NewBioType(), name);
            return method != 0
                && OpenSsl.SetBioRead(method, &Read) == 1
                && OpenSsl.SetBioWrite(method, &Write) == 1
                && OpenSsl.SetBioControl(method, OpenSsl.ControlOf(OpenSsl.NullBioMethod())) == 1
                ? method
                : 0;
        }
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static int Read(nint bio, byte* into, int bytes)
    {
        OpenSsl.ClearBioFlags(bio, OpenSsl.AllRetries);
        int received = RecordLink.OfBio(bio).Receive(new Span<byte>(into, bytes));
        if (received > 0)
            return received;
        OpenSsl.SetBioFlags(bio, OpenSsl.ReadLater);
        return -1;
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static int Write(nint bio, byte* from, int bytes)
    {
        OpenSsl.ClearBioFlags(bio, OpenSsl.AllRetries);
        int sent = RecordLink.OfBio(bio).Send(new ReadOnlySpan<byte>(from, bytes));
        if (sent > 0)
            return sent;
        OpenSsl.SetBioFlags(bio, OpenSsl.WriteLater);
        return -1;
    }
}
