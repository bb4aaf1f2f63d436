using Bitflow.Domain;

namespace Bitflow.App.Terminal;

/// <summary>What commands say, with colours where somebody sees them: each of the two streams decides for itself.</summary>
internal static class Screen
{
    private static readonly bool OutIsPainted = IsPainted(!Console.IsOutputRedirected);

    /// <summary>Whether standard error gets colours.</summary>
    public static bool ErrorsArePainted { get; } = IsPainted(!Console.IsErrorRedirected);

    /// <summary>Whether a line on standard error can be overwritten by the next.</summary>
    public static bool HasProgress { get; } = !Console.IsErrorRedirected && Environment.GetEnvironmentVariable("TERM") is not (null or "" or "dumb");

    public static void Say(string line) => Console.Out.WriteLine(line);

    public static void Say(Tone tone, string line) => Console.Out.WriteLine(OutIsPainted ? Paint.Text(tone, line) : line);

    /// <summary>An error or a warning, its place at the head.</summary>
    public static void Complain(Tone tone, string line) => Console.Error.WriteLine(ErrorsArePainted ? Paint.Head(tone, line) : line);

    private static bool IsPainted(bool isTerminal) =>
        Paint.IsWelcome(isTerminal, Environment.GetEnvironmentVariable("TERM"), Environment.GetEnvironmentVariable("NO_COLOR"));
}
