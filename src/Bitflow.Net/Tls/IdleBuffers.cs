using System.Net.Security;
using System.Reflection;
using System.Runtime.InteropServices;

namespace Bitflow.Net.Tls;

/// <summary>
/// Has OpenSSL give back a connection's record buffers (two of 16 KB) whenever they are empty, as every other server asks it to; SslStream does
/// not, and has no setting for it. An idle connection would hold them for as long as it lives.
/// </summary>
/// <remarks>
/// The handle is a private field of SslStream. Where it is not what is expected, or OpenSSL is not there under this name, nothing happens
/// but that the memory stays held: a saving may be lost, never a connection.
/// </remarks>
internal static partial class IdleBuffers
{
    private const int SetMode = 33;
    private const nint ReleaseBuffers = 0x10;

    private static readonly FieldInfo? Context = OperatingSystem.IsLinux()
        ? typeof(SslStream).GetField("_securityContext", BindingFlags.Instance | BindingFlags.NonPublic)
        : null;

    private static bool _unavailable = Context is null;

    /// <summary>To be called once, when the handshake is done and nothing reads or writes yet.</summary>
    public static void Release(SslStream stream)
    {
        // SafeSslHandle, whose handle is the SSL* itself.
        if (_unavailable || Context!.GetValue(stream) is not SafeHandle { IsInvalid: false, IsClosed: false } handle || handle.GetType().Name != "SafeSslHandle")
            return;
        bool held = false;
        try
        {
            handle.DangerousAddRef(ref held);
            _ = Control(handle.DangerousGetHandle(), SetMode, ReleaseBuffers, 0);
        }
        catch (Exception e) when (e is DllNotFoundException or EntryPointNotFoundException or ObjectDisposedException)
        {
            _unavailable = e is not ObjectDisposedException;
        }
        finally
        {
            if (held)
                handle.DangerousRelease();
        }
    }

    [LibraryImport("libssl.so.3", EntryPoint = "SSL_ctrl")]
    private static partial nint Control(nint ssl, int command, nint argument, nint pointer);
}
