using Bitflow.App.Terminal;
using Bitflow.Domain;

namespace Bitflow.App.Commands;

/// <summary>`bitflow inspect`: what the program's own parsers see in captured bytes. Exit status 1 where they are not whole or not valid.</summary>
internal static class InspectCommand
{
    public static int Run(string what, string input)
    {
        if (Bytes(input) is not { } bytes)
        {
            Screen.Complain(Tone.Bad, $"bitflow: \"{Shown.Line(input)}\" is neither a file nor hexadecimal text");
            return ExitStatus.Unusable;
        }

        (string seen, bool isWhole) = what == "hello" ? Inspect.Hello(bytes) : Inspect.ProxyHeader(bytes);
        Screen.Write(seen);
        return isWhole ? ExitStatus.Done : ExitStatus.Failed;
    }

    private static byte[]? Bytes(string input)
    {
        try
        {
            if (File.Exists(input))
                return Inspect.OfFile(File.ReadAllBytes(input));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return null;
        }

        return Inspect.TryHex(input) is { IsSome: true } hex ? hex.Value : null;
    }
}
